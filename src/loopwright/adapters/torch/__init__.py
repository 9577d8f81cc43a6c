"""PyTorch serves `model.pt2`."""
