"""A BentoML service, one worker, no access log. `BENCH_BATCH=1` adds its adaptive batching.

bentoml serve bentoml_app:Forest
"""

import os

import bentoml
import numpy as np


@bentoml.service(name="forest", workers=1, logging={"access": {"enabled": False}})
class Forest:
    def __init__(self) -> None:
        import forest

        self.dtype, self.probabilities = forest.dtype, forest.probabilities

    if os.environ.get("BENCH_BATCH"):

        @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=1000)
        def predict(self, rows: np.ndarray) -> np.ndarray:
            return self.probabilities(rows.astype(self.dtype, copy=False))

    else:

        @bentoml.api
        async def predict(self, rows: np.ndarray) -> np.ndarray:
            return self.probabilities(rows.astype(self.dtype, copy=False))
