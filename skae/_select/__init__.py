"""Model selection: which training and which checkpoint is kept."""
