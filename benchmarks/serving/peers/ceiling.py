"""The ceiling: a bare granian handler that decodes, predicts and encodes. What our server does beyond it, it pays for.

    granian --interface rsgi ceiling:app

It speaks the same Open Inference Protocol v2 as our server, JSON only, one tensor of shape [n, width].
"""

import os

import msgspec
import numpy as np
import onnxruntime as ort
import orjson


class Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class InferenceRequest(msgspec.Struct):
    inputs: list[Tensor]


decode = msgspec.json.Decoder(InferenceRequest).decode


def open_session(path: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


session = open_session(os.environ["BENCH_ONNX"])
features, outputs = session.get_inputs()[0], [session.get_outputs()[-1].name]
dtype = np.float64 if features.type == "tensor(double)" else np.float32
width = int(os.environ["BENCH_WIDTH"])


async def app(scope, proto):
    try:
        request = decode(await proto())
        (tensor,) = request.inputs
        matrix = np.array(tensor.data, dtype=dtype).reshape(-1, width)
    except (msgspec.MsgspecError, ValueError) as error:
        proto.response_bytes(400, JSON, orjson.dumps({"error": str(error)}))
        return
    scores = session.run(outputs, {features.name: matrix})[0]
    answer = {
        "model_name": "ceiling",
        "outputs": [
            {"name": "probability", "shape": scores.shape, "datatype": "FP64", "data": scores.ravel().tolist()}
        ],
    }
    proto.response_bytes(200, JSON, orjson.dumps(answer))


JSON = [("content-type", "application/json")]
