"""Figures on real data and on speed. Commands: ``python -m benchmarks.{pca,codes,speed}``."""
