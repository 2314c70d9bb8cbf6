"""PCA, its coordinates and filling, and what the nets are added to."""
