"""Rows of every kind: read, checked, split into batches."""
