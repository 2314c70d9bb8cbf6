"""Fitted estimators as ONNX graphs, which run without Python, JAX or scikit-learn."""
