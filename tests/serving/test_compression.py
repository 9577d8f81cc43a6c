"""Compressed bodies: read within bounds, written where it pays."""

from __future__ import annotations

import gzip
import zlib

import pytest

from loopwright.errors import RequestError
from loopwright.serving.body import BodyTooLargeError
from loopwright.serving.compression import WORTH, UnsupportedMediaError, packed, unpacked

BODY = b"0.123456789," * 1000


@pytest.mark.parametrize(
    ("coding", "sent"),
    [("gzip", gzip.compress(BODY)), ("deflate", zlib.compress(BODY)), ("GZip ", gzip.compress(BODY)),
     ("identity", BODY), ("", BODY)],
    ids=["gzip", "deflate", "capitals", "identity", "none"],
)  # fmt: skip
def test_what_was_sent_comes_out(coding: str, sent: bytes) -> None:
    assert unpacked(sent, coding, len(BODY)) == BODY


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_is_refused_before_it_is_in_memory(coding: str) -> None:
    bomb = zlib.compressobj(9, wbits=31 if coding == "gzip" else 15)
    sent = b"".join(bomb.compress(bytes(2**20)) for _ in range(64)) + bomb.flush()
    with pytest.raises(BodyTooLargeError, match="larger than 1,000 bytes, unpacked"):
        unpacked(sent, coding, 1000)


@pytest.mark.parametrize(
    "sent",
    [b"", b"plain", gzip.compress(BODY)[:-9], gzip.compress(BODY) + b"more", gzip.compress(b"a") + gzip.compress(b"b")],
    ids=["empty", "plain", "cut", "trailing", "two"],
)
def test_a_damaged_body_is_refused(sent: bytes) -> None:
    with pytest.raises(RequestError, match="the body is no"):
        unpacked(sent, "gzip", 10**6)


def test_another_coding_is_refused() -> None:
    with pytest.raises(UnsupportedMediaError, match="the content encoding is 'br'"):
        unpacked(BODY, "br", 10**6)


def test_answers_are_compressed_as_the_client_takes_it() -> None:
    compressed, coding = packed(BODY, "br, gzip;q=0.8")
    assert (coding, gzip.decompress(compressed)) == ("gzip", BODY)
    compressed, coding = packed(BODY, "deflate")
    assert (coding, zlib.decompress(compressed)) == ("deflate", BODY)
    for accepted in ("", "identity", "br", "gzip;q=0, deflate; q = 0.0"):
        assert packed(BODY, accepted) == (BODY, None)


def test_a_small_answer_goes_out_as_it_is() -> None:
    assert packed(bytes(WORTH - 1), "gzip") == (bytes(WORTH - 1), None)
