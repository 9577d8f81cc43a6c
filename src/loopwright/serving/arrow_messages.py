"""How large an Arrow IPC stream becomes when its compressed buffers are unpacked, told without unpacking them.

Arrow itself has no bound for that. Offsets and fields are those of the format's `Message.fbs`.
"""

from __future__ import annotations

import struct

import pyarrow as pa


def unpacked_bytes(stream: bytes) -> int:
    """The bytes that the compressed buffers of all messages say they unpack to. Raises `pa.ArrowInvalid`."""
    total = 0
    try:
        for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(stream)):
            total += _unpacked(message)
    except (struct.error, EOFError) as error:
        raise pa.ArrowInvalid(str(error)) from None
    return total


def _unpacked(message: pa.ipc.Message) -> int:
    table = _Table.root(message.metadata.to_pybytes())
    if message.type == "dictionary":
        batch = table.child(_HEADER).child(_DICTIONARY_DATA)
    elif message.type == "record batch":
        batch = table.child(_HEADER)
    else:
        return 0
    if not batch.has(_COMPRESSION):
        return 0
    body = memoryview(message.body)
    total = 0
    for start, length in batch.buffers():
        if length >= _PREFIX.size:
            total += max(_PREFIX.unpack_from(body, start)[0], 0)  # -1: this one is not compressed
    return total


class _Table:
    """A FlatBuffers table in `data` at `place`: the little of that format which is needed here."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self._place = place

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data)[0])

    def has(self, field: int) -> bool:
        return self._field(field) > 0

    def child(self, field: int) -> _Table:
        return _Table(self._data, self._target(field))

    def buffers(self) -> list[tuple[int, int]]:
        """Offset and length of each of the batch's buffers in the message's body."""
        if not self.has(_BUFFERS):
            return []
        start = self._target(_BUFFERS)
        (count,) = struct.unpack_from("<I", self._data, start)
        return list(struct.iter_unpack("<qq", self._data[start + 4 : start + 4 + 16 * count]))

    def _target(self, field: int) -> int:
        place = self._place + self._field(field)
        target: int = place + struct.unpack_from("<I", self._data, place)[0]
        return target

    def _field(self, number: int) -> int:
        """Where the field lies, from the table's place on; 0 where it is absent."""
        table = self._place - struct.unpack_from("<i", self._data, self._place)[0]
        (size,) = struct.unpack_from("<H", self._data, table)
        entry = 4 + 2 * number
        offset: int = struct.unpack_from("<H", self._data, table + entry)[0] if entry < size else 0
        return offset


_HEADER, _DICTIONARY_DATA, _BUFFERS, _COMPRESSION = 2, 1, 2, 3
_PREFIX = struct.Struct("<q")
