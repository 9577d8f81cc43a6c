"""The ceiling: a bare granian handler that decodes, predicts and encodes. What our server does beyond it, it pays for.

    granian --interface rsgi --no-ws ceiling:app

It speaks the same Open Inference Protocol v2 as our server, JSON only, one tensor of shape [n, width].
"""

import msgspec
import numpy as np
import orjson
from forest import dtype, probabilities, width


class Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class InferenceRequest(msgspec.Struct):
    inputs: list[Tensor]


decode = msgspec.json.Decoder(InferenceRequest).decode
JSON = [("content-type", "application/json")]


async def app(scope, proto):
    try:
        (tensor,) = decode(await proto()).inputs
        matrix = np.array(tensor.data, dtype=dtype).reshape(-1, width)
    except (msgspec.MsgspecError, ValueError) as error:
        proto.response_bytes(400, JSON, orjson.dumps({"error": str(error)}))
        return
    scores = probabilities(matrix)
    output = {"name": "probability", "shape": scores.shape, "datatype": "FP64", "data": scores}
    answer = {"model_name": "ceiling", "outputs": [output]}
    proto.response_bytes(200, JSON, orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY))
