"""The compiled training block and its optimizers."""
