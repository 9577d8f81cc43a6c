"""The model artifact: an MLflow model directory with a manifest of digests. Written, read, verified, encoded for."""
