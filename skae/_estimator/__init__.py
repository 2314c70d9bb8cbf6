"""The estimator: its parameters, what it holds once fitted, streams, and sampling."""
