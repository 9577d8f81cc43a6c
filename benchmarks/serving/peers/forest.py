"""The model as every server here opens it: one ONNX Runtime session, one thread."""

import os

import numpy as np
import onnxruntime as ort

options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["BENCH_ONNX"], options, providers=["CPUExecutionProvider"])
features, outputs = session.get_inputs()[0], [session.get_outputs()[-1].name]
dtype = np.float64 if features.type == "tensor(double)" else np.float32
width = int(os.environ["BENCH_WIDTH"])


def probabilities(matrix):
    """A number a row, for a matrix of `dtype` with `width` columns."""
    return session.run(outputs, {features.name: matrix})[0].ravel()
