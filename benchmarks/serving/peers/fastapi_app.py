"""FastAPI as one writes it for such a model: no framework for models, shown for comparison.

uvicorn --no-access-log fastapi_app:app
"""

import numpy as np
from fastapi import FastAPI
from forest import dtype, probabilities, width
from pydantic import BaseModel


class Rows(BaseModel):
    rows: list[list[float]]


app = FastAPI()


@app.post("/predict")
async def predict(request: Rows) -> dict[str, list[float]]:
    matrix = np.array(request.rows, dtype=dtype).reshape(-1, width)
    return {"probability": probabilities(matrix).tolist()}
