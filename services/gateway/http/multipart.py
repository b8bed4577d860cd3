"""One file out of a multipart/form-data body, while it is still arriving."""

from collections.abc import AsyncIterator
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from services.gateway.errors import BodyUnreadable

_PARTS_MAX: Final = 20


class FormFile:
    """Feeds on the body and yields the bytes of the part `file`; other parts are skipped."""

    def __init__(self, content_type: str, *, file: str) -> None:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if not boundary:
            raise BodyUnreadable("The multipart body has no boundary.")
        self.found = False
        self._file = file
        self._part = ""
        self._parts = 0
        self._header_name = b""
        self._header_value = b""
        self._out: list[bytes] = []
        self._ended = False
        self._parser = _parser(boundary, self)

    async def chunks(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Raises BodyUnreadable if the body is no form, is cut off, or has no such file."""
        async for data in body:
            try:
                self._parser.write(data)
            except FormParserError:
                raise BodyUnreadable("The multipart body cannot be read.") from None
            if self._out:
                yield b"".join(self._out)
                self._out.clear()
        if not self._ended or not self.found:
            raise BodyUnreadable(f"The multipart body has no complete part named {self._file!r}.")

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _PARTS_MAX:
            raise FormParserError("too many parts")
        self._part = ""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            _, options = parse_options_header(self._header_value)
            self._part = options.get(b"name", b"").decode("utf-8", "replace")
        self._header_name = self._header_value = b""

    def on_headers_finished(self) -> None:
        if self._part == self._file:
            if self.found:
                raise FormParserError("two files")
            self.found = True

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part == self._file:
            self._out.append(data[start:end])

    def on_end(self) -> None:
        self._ended = True


def _parser(boundary: bytes, sink: FormFile) -> MultipartParser:
    try:
        return MultipartParser(
            boundary,
            {
                "on_part_begin": sink.on_part_begin,
                "on_part_data": sink.on_part_data,
                "on_header_field": sink.on_header_field,
                "on_header_value": sink.on_header_value,
                "on_header_end": sink.on_header_end,
                "on_headers_finished": sink.on_headers_finished,
                "on_end": sink.on_end,
            },
        )
    except FormParserError:
        raise BodyUnreadable("The multipart body cannot be read.") from None
