"""ONNX Runtime serves `model.onnx`."""
