"""LightGBM serves `model.txt`."""
