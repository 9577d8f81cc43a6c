"""A LitServe API on the CPU, one worker. `BENCH_BATCH=1` adds its dynamic batching.

python litserve_app.py PORT
"""

import os
import sys

import litserve
import numpy as np

BATCH = 32 if os.environ.get("BENCH_BATCH") else 1


class Forest(litserve.LitAPI):
    def setup(self, device):
        import forest

        self.dtype, self.probabilities = forest.dtype, forest.probabilities

    def decode_request(self, request):
        return np.array(request["rows"], dtype=self.dtype)

    def batch(self, inputs):
        return np.concatenate(inputs)

    def predict(self, matrix):
        return self.probabilities(matrix)

    def unbatch(self, scores):
        return scores.reshape(-1, 1)

    def encode_response(self, scores):
        return {"probability": scores.tolist()}


if __name__ == "__main__":
    api = Forest(max_batch_size=BATCH, batch_timeout=0.001 if BATCH > 1 else 0.0)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="warning"
    )
