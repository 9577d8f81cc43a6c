"""A server with a certificate: both doors speak TLS, and nothing else; a bad pair is told before anything starts."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton
import trustme
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

Serve = Callable[..., Any]


@pytest.fixture(scope="module", params=[trustme.KeyType.ECDSA, trustme.KeyType.RSA])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """An authority's certificate, one of its own for 127.0.0.1, and its key (in the old and the new form of PEM)."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA(key_type=request.param)
    leaf = authority.issue_cert("127.0.0.1", key_type=request.param)
    root, certificate, key = folder / "ca.pem", folder / "server.pem", folder / "server.key"
    authority.cert_pem.write_to_path(root)
    certificate.write_bytes(leaf.cert_chain_pems[0].bytes())
    found = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    old = request.param is trustme.KeyType.RSA
    form = PrivateFormat.TraditionalOpenSSL if old else PrivateFormat.PKCS8
    key.write_bytes(found.private_bytes(Encoding.PEM, form, NoEncryption()))
    return root, certificate, key


def test_both_doors_speak_tls(kit: Any, project: Any, serve: Serve, row: dict[str, Any], pair: Any) -> None:
    root, certificate, key = pair
    project.release(project.bundle())
    port = kit.free_port()
    options = ["--tls-certificate", str(certificate), "--tls-key", str(key), "--grpc-port", str(port)]
    server = serve(*options, wait=False)
    host, http_port = server.address
    server.client = httpx.Client(
        base_url=f"https://{host}:{http_port}", verify=ssl.create_default_context(cafile=root), trust_env=False
    )
    server.wait_for()
    assert server.infer(row).json() == {"predictions": [21.5]}
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{host}:{http_port}/ping", trust_env=False)
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://{host}:{http_port}/ping", trust_env=False)
    address = f"127.0.0.1:{port}"
    with triton.InferenceServerClient(address, ssl=True, root_certificates=str(root)) as client:
        inputs = [
            triton.InferInput("x", [1], "FP64").set_data_from_numpy(np.array([1.5])),
            triton.InferInput("n", [1], "INT64").set_data_from_numpy(np.array([2])),
            triton.InferInput("shop", [1], "BYTES").set_data_from_numpy(np.array([b"a"], dtype=np.object_)),
        ]
        assert client.infer("demand", inputs).as_numpy("prediction").tolist() == [21.5]
    with grpc.insecure_channel(address) as plain, pytest.raises(grpc.RpcError):
        plain.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=5)
    assert server.stop() == 0
    assert len(project.captured()) == 2
    assert "Traceback" not in server.log.read_text()


def test_a_pair_that_is_none_ends_the_server_with_the_reason(project: Any, serve: Serve, tmp_path: Path) -> None:
    server = serve("--tls-certificate", str(tmp_path / "nowhere.pem"), "--tls-key", "nowhere.key", wait=False)
    assert server.process.wait(timeout=20) == 1
    said = server.log.read_text()
    assert "nowhere.pem cannot be read: No such file or directory" in said
    assert "Traceback" not in said
