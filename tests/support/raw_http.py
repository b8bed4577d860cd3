"""HTTP written by hand, for requests that no client library sends."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

_CHUNK_BYTES = 64 * 1024
_SECONDS_MAX = 15.0


@dataclass(frozen=True)
class Exchange:
    """What came back before the server was silent or hung up, and how much it let us send."""

    answer: bytes
    sent_bytes: int
    closed: bool

    @property
    def statuses(self) -> list[int]:
        """Of every answer on the connection, also of those that are not final."""
        lines = [part.split(b" ", 2) for part in self.answer.split(b"HTTP/1.1")[1:]]
        return [int(line[1]) for line in lines]


def head(path: str, *headers: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", *headers, "", ""]).encode("latin-1")


def chunked(size_bytes: int) -> Iterable[bytes]:
    """A body of spaces without a length before it."""
    for _ in range(size_bytes // _CHUNK_BYTES):
        yield f"{_CHUNK_BYTES:x}\r\n".encode() + b" " * _CHUNK_BYTES + b"\r\n"
    yield b"0\r\n\r\n"


def plain(size_bytes: int) -> Iterable[bytes]:
    for _ in range(size_bytes // _CHUNK_BYTES):
        yield b" " * _CHUNK_BYTES
    yield b" " * (size_bytes % _CHUNK_BYTES)


async def exchange(
    port: int, request: bytes, body: Iterable[bytes] = (), *, silence_seconds: float = 1.0, end: bool = False
) -> Exchange:
    """Sends and listens at the same time. `end` closes our side after the last byte. Who has not answered yet
    may be silent for four times as long."""
    async with asyncio.timeout(_SECONDS_MAX):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        sending = asyncio.create_task(_send(writer, body, end=end))
        try:
            parts = [part async for part in _heard(reader, sending, silence_seconds=silence_seconds)]
        finally:
            sending.cancel()
            [sent] = await asyncio.gather(sending, return_exceptions=True)
            writer.close()
    sent_bytes = sent if isinstance(sent, int) else 0
    return Exchange(answer=b"".join(parts), sent_bytes=sent_bytes, closed=reader.at_eof())


async def _send(writer: asyncio.StreamWriter, body: Iterable[bytes], *, end: bool) -> int:
    sent = 0
    try:
        for part in body:
            writer.write(part)
            await writer.drain()
            sent += len(part)
        if end:
            writer.write_eof()
    except (ConnectionError, asyncio.CancelledError):
        pass
    return sent


async def _heard(
    reader: asyncio.StreamReader, sending: "asyncio.Task[int]", *, silence_seconds: float
) -> AsyncIterator[bytes]:
    """Until the server hangs up, or says nothing for so long after we have sent everything."""
    answered, silent = False, 0
    while True:
        try:
            async with asyncio.timeout(silence_seconds):
                part = await reader.read(_CHUNK_BYTES)
        except TimeoutError:
            silent += 1
            if sending.done() and silent >= (1 if answered else 4):
                return
            continue
        except ConnectionError:
            # Hung up on what we were still sending.
            reader.feed_eof()
            return
        if not part:
            return
        answered, silent = answered or not part.startswith(b"HTTP/1.1 100 ") or b"HTTP/1.1" in part[1:], 0
        yield part
