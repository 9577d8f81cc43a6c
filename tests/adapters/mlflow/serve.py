"""A FastAPI application of some other purpose with MLflow mounted in it: `python serve.py FOLDER`; prints its port."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from loopwright.adapters.mlflow.app import mlflow_app

folder = Path(sys.argv[1])
application, serving = mlflow_app(f"sqlite:///{folder}/mlflow.db", folder / "artifacts")


@asynccontextmanager
async def lifespan(app):
    async with serving:
        yield


app = FastAPI(lifespan=lifespan)
app.mount("/mlflow", application)


@app.get("/ours")
def ours():
    return {"ours": True}


@app.get("/environment")
def environment():
    return dict(os.environ)


# Named as TCP, so that asyncio sends small packets at once: without, each request waits 40 ms.
listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
listening.bind(("127.0.0.1", 0))
print(listening.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listening])
