"""The same project on S3 by changing one setting: a real run with real jobs and a real server, on a moto server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

import loopwright

from .conftest import rows


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket on a server of our own, named to every process by the environment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="loop")
    yield "loop"
    server.stop()


def test_the_loop_turns_on_an_object_store(project: Path, bucket: str) -> None:
    client = boto3.client("s3")
    client.put_object(Bucket=bucket, Key="raw/a.csv", Body=(project / "data" / "a.csv").read_bytes())
    model = (project / "demand.py").read_text().replace("data/*.csv", f"s3://{bucket}/raw/")
    (project / "demand.py").write_text(model)
    with loopwright.open(project, tracking="off", storage=f"s3://{bucket}/loopwright") as session:
        run = session.run()
        assert run.status == "succeeded", run.summary
        client.put_object(Bucket=bucket, Key="raw/b.csv", Body=rows(40, start=60).write_csv().encode())
        second = session.run()
        assert second.status == "succeeded", second.summary
        assert session.platform.rollouts.aliases("demand") == {"champion": 1, "challenger": 2}
    keys = {one["Key"] for one in client.list_objects_v2(Bucket=bucket)["Contents"]}
    assert "loopwright/endpoints/demand/00000002.json" in keys
    assert not (project / ".loopwright" / "store").exists()
