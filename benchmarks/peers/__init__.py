"""skae next to other libraries; each runs in processes of its own."""
