"""Certificates: which pairs a server may start with, and which server our own clients trust."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from loopwright.core.tls import check_certificate, trusting
from loopwright.errors import SettingsError


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def issued(authority: trustme.CA, folder: Path, name: str = "server.example") -> tuple[Path, Path]:
    """A certificate of the authority, with those behind it, and its key."""
    leaf = authority.issue_cert(name)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    certificate.write_bytes(b"".join(one.bytes() for one in leaf.cert_chain_pems) + authority.cert_pem.bytes())
    key.write_bytes(leaf.private_key_pem.bytes())
    return certificate, key


def test_a_pair_that_belongs_together_is_taken(authority: trustme.CA, tmp_path: Path) -> None:
    check_certificate(None, None)
    check_certificate(*issued(authority, tmp_path))


def test_what_is_wrong_with_a_pair_is_told(authority: trustme.CA, tmp_path: Path) -> None:
    certificate, key = issued(authority, tmp_path)
    _, other = issued(authority, tmp_path, "other.example")
    for pair, said in (
        ((certificate, None), "tls_key is not set"),
        ((None, key), "tls_certificate is not set"),
        ((tmp_path / "nowhere.pem", key), "tls_certificate .*nowhere.pem cannot be read: No such file"),
        ((certificate, tmp_path), "tls_key .* cannot be read: Is a directory"),
        ((certificate, other), "other.example.key is not that of the certificate .*server.example.pem"),
        ((key, certificate), "are no certificate and its key"),
        ((certificate, locked(key)), "are no certificate and its key"),
    ):
        with pytest.raises(SettingsError, match=said) as raised:
            check_certificate(*pair)
        assert raised.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_key_that_may_not_be_read_is_told(authority: trustme.CA, tmp_path: Path) -> None:
    certificate, key = issued(authority, tmp_path)
    key.chmod(0)
    with pytest.raises(SettingsError, match="Permission denied"):
        check_certificate(certificate, key)


def locked(key: Path) -> Path:
    """The key behind a password, which nobody could type where a server starts."""
    found = load_pem_private_key(key.read_bytes(), None)
    path = key.with_suffix(".locked")
    path.write_bytes(found.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    return path


def test_a_client_trusts_this_certificate_and_no_other(authority: trustme.CA, tmp_path: Path) -> None:
    ours, theirs = issued(authority, tmp_path), issued(authority, tmp_path, "other.example")
    assert greeted(ours, trusting(ours[0]))
    with pytest.raises(ssl.SSLCertVerificationError):
        greeted(theirs, trusting(ours[0]))  # of the same authority, which is in our file


def test_a_file_without_a_certificate_is_told(tmp_path: Path) -> None:
    for text in ("", "-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n"):
        (tmp_path / "empty.pem").write_text(text)
        with pytest.raises(SettingsError, match=r"empty.pem holds no certificate"):
            trusting(tmp_path / "empty.pem")


def greeted(pair: tuple[Path, Path], client: ssl.SSLContext) -> bool:
    """Whether a server with this pair gets a byte through to the client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    ours, theirs = socket.socketpair()

    def answer() -> None:
        try:
            with context.wrap_socket(theirs, server_side=True) as wrapped:
                wrapped.sendall(b"!")
        except OSError:  # the client turned away
            pass

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with ours, client.wrap_socket(ours) as wrapped:
            return wrapped.recv(1) == b"!"
    finally:
        thread.join()
