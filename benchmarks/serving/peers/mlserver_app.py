"""A runtime of MLServer's own kind: tensors in and out by its codec for NumPy.

    mlserver start FOLDER

The folder holds settings.json (`parallel_workers: 0`, no access log) and model-settings.json, with or without adaptive
batching.
"""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Forest(MLModel):
    async def load(self) -> bool:
        import forest

        self.dtype, self.probabilities = forest.dtype, forest.probabilities
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        matrix = NumpyCodec.decode_input(payload.inputs[0]).astype(self.dtype, copy=False)
        scores = self.probabilities(matrix).reshape(-1, 1)
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("probability", scores)])
