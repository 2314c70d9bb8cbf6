"""Estimators in files that hold no code: what may be in them, how it is written and read."""
