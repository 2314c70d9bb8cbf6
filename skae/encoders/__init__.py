"""Tables, texts, series and images to arrays and back."""
