"""A Ray Serve deployment, one replica, access log off. `BENCH_BATCH=1` adds its dynamic batching.

RAY_SERVE_THROUGHPUT_OPTIMIZED=1 python ray_app.py PORT
"""

import os
import signal
import sys

import numpy as np
import ray
from ray import serve
from starlette.requests import Request


class Forest:
    def __init__(self) -> None:
        import forest

        self.dtype, self.probabilities = forest.dtype, forest.probabilities

    async def __call__(self, request: Request) -> dict[str, list[float]]:
        matrix = np.array((await request.json())["rows"], dtype=self.dtype)
        return {"probability": self.probabilities(matrix).tolist()}


class BatchedForest(Forest):
    async def __call__(self, request: Request) -> dict[str, list[float]]:
        matrix = np.array((await request.json())["rows"], dtype=self.dtype)
        return {"probability": [float(await self.score(matrix))]}

    @serve.batch(max_batch_size=32, batch_wait_timeout_s=0.001)
    async def score(self, matrices: list[np.ndarray]) -> list[float]:
        return list(self.probabilities(np.concatenate(matrices)))


if __name__ == "__main__":
    kind = BatchedForest if os.environ.get("BENCH_BATCH") else Forest
    ray.init(num_cpus=1, include_dashboard=False, configure_logging=False, runtime_env={"working_dir": None})
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
    deployment = serve.deployment(
        num_replicas=1,
        max_ongoing_requests=128,
        ray_actor_options={"num_cpus": 0.1},
        logging_config={"enable_access_log": False},
    )
    serve.run(deployment(kind).bind())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.pause()
