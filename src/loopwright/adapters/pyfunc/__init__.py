"""A foreign MLflow model serves."""
