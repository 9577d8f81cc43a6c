"""Bodies on the wire: gzip and deflate (zlib's form of it, as HTTP means it), both ways, and never without bounds."""

from __future__ import annotations

import zlib

from loopwright.errors import RequestError
from loopwright.serving.body import BodyTooLargeError
from loopwright.serving.tabular import shown

WORTH = 4096
"""Answers below this size go out as they are: to compress them costs more than to send them."""


class UnsupportedMediaError(RequestError):
    """The body is of a type, or in a coding, that this server does not read."""


def unpacked(body: bytes, coding: str, limit: int) -> bytes:
    """The body that was sent in `coding`. Raises `BodyTooLargeError` as soon as more than `limit` bytes came out of it,
    `UnsupportedMediaError` for another coding, and `RequestError` where it is damaged.
    """
    name = coding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in _WINDOWS:
        raise UnsupportedMediaError(f"the content encoding is {shown(coding)}", remedy="send gzip, deflate or none")
    stream = zlib.decompressobj(_WINDOWS[name])
    try:
        data = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise RequestError(f"the body is no {name}: {error}", remedy="compress it again") from None
    if len(data) > limit:
        raise BodyTooLargeError(
            f"the body is larger than {limit:,} bytes, unpacked", remedy="send fewer rows at once, or use batch"
        )
    if not stream.eof or stream.unused_data:
        raise RequestError(f"the body is not one whole {name} stream", remedy="compress it again")
    return data


def packed(body: bytes, accepted: str | None) -> tuple[bytes, str | None]:
    """The body in a coding that is accepted, and its name; as it is, and None, where none is or it would not pay."""
    if len(body) < WORTH or not accepted:
        return body, None
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in _WINDOWS and weight.replace(" ", "") not in _REFUSED:
            stream = zlib.compressobj(1, wbits=_WINDOWS[name.strip()])
            return stream.compress(body) + stream.flush(), name.strip()
    return body, None


_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
_REFUSED = ("q=0", "q=0.0", "q=0.00", "q=0.000")
