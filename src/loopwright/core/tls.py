"""Certificates of our own servers: examined before a server starts, and trusted by our own clients."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

from loopwright.errors import SettingsError

_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def check_certificate(certificate: Path | None, key: Path | None) -> None:
    """Raises `SettingsError` unless both are there and belong together, or neither is given."""
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        missing = "tls_key" if key is None else "tls_certificate"
        raise SettingsError(
            f"TLS needs a certificate and its key, and {missing} is not set", remedy="set both, or none"
        )
    for name, path in (("tls_certificate", certificate), ("tls_key", key)):
        _check_readable(name, path)
    try:
        server_context(certificate, key)
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        what = f"{certificate} and {key} are no certificate and its key ({reason})"
        if reason == "KEY_VALUES_MISMATCH":
            what = f"the key {key} is not that of the certificate {certificate}"
        raise SettingsError(what, remedy="name PEM files that belong together; the key has no password") from None


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """What a server speaks TLS 1.2 and later with. Raises what `load_cert_chain` raises: see `check_certificate`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key, password=lambda: "")
    return context


def trusting(certificate: Path) -> ssl.SSLContext:
    """A client's context that takes the server which holds the key of this very certificate, whatever name it is called
    by, and no other. Raises `SettingsError` where the file holds no certificate.
    """
    _check_readable("tls_certificate", certificate)
    found = re.search(f"{_BEGIN}.*?{_END}", certificate.read_text("ascii", "replace"), re.DOTALL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    # The certificate itself is the anchor. Those behind it in the file are not: others have certificates of theirs too.
    context.verify_flags = ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=found.group() if found else "")
    except (ssl.SSLError, ValueError):
        raise SettingsError(
            f"{certificate} holds no certificate", remedy="name a PEM file as tls_certificate"
        ) from None
    return context


def _check_readable(name: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise SettingsError(
            f"{name} {path} cannot be read: {error.strerror}", remedy="mend the path or its rights"
        ) from None
