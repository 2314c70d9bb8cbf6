"""The network's objective, its corruptions, and inference on many rows."""
