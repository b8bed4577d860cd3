"""The contacts CSV, read as it arrives: good rows, and for each bad one what is wrong and what would be
right.

UTF-8 with or without a byte order mark; separated by comma, semicolon or tab; any line ending. The header
names the columns `name`, `business_name` and `phone` in any order and case, perhaps also `timezone` (an IANA
name like America/Toronto, or nothing); other columns are ignored, as are blank lines.
"""

import codecs
import csv
import io
import re
from typing import Final

from services.campaigns.domain.contact_rows import REGION_DEFAULT, ContactRows, Rejection
from services.campaigns.domain.contacts import NewContact
from services.campaigns.errors import ContactsFileInvalid, ContactsFileTooLarge

BYTES_MAX: Final = 10 * 1024 * 1024
ROWS_MAX: Final = 10_000
COLUMNS: Final = ("name", "business_name", "phone")
TIME_ZONE_COLUMNS: Final = frozenset({"timezone", "time_zone"})

_LINE_LENGTH_MAX = 65_536
# A quoted cell may hold line breaks, but a quote that is never closed must not swallow the file.
_OPEN_LINES_MAX = 10
_OPEN_LENGTH_MAX = 4096
_SEPARATORS = ",;\t"


class ContactsFile:
    """Feed it the bytes in pieces, then finish it. Holds the rows that were taken, never the file."""

    def __init__(self, *, region: str = REGION_DEFAULT, bytes_max: int = BYTES_MAX) -> None:
        self.taken = ContactRows(region=region)
        self._bytes_max = bytes_max
        self._bytes = 0
        self._decoder = io.IncrementalNewlineDecoder(
            codecs.getincrementaldecoder("utf-8-sig")(), translate=True
        )
        self._partial_line = ""
        self._line_no = 0
        # Lines of a record whose quotes are not closed yet.
        self._open: list[str] = []
        self._separator = ""
        self._columns: dict[str, int] = {}
        self._time_zone: int | None = None
        self._cells = 0

    @property
    def contacts(self) -> list[NewContact]:
        return self.taken.contacts

    @property
    def rejections(self) -> list[Rejection]:
        return self.taken.rejections

    @property
    def rows(self) -> int:
        return self.taken.rows

    @property
    def duplicates(self) -> int:
        return self.taken.duplicates

    def feed(self, data: bytes) -> None:
        """Raises ContactsFileInvalid or ContactsFileTooLarge for the file as a whole."""
        self._bytes += len(data)
        if self._bytes > self._bytes_max:
            size = "10 MiB" if self._bytes_max == BYTES_MAX else f"{self._bytes_max} bytes"
            raise ContactsFileTooLarge(
                f"The file is larger than {size}; nothing of it was kept.",
                metadata={"limit": f"{self._bytes_max} bytes"},
            )
        self._take(self._decoded(data, final=False))

    def finish(self) -> None:
        """Raises ContactsFileInvalid if what came is no contacts file."""
        self._take(self._decoded(b"", final=True))
        if self._partial_line:
            line, self._partial_line = self._partial_line, ""
            self._take_line(line)
        while self._open:
            self._give_up_quote()
        if not self._separator:
            raise _invalid(
                "The file is empty; its first line must name the columns name, business_name and phone.",
                line=1,
            )

    def _decoded(self, data: bytes, *, final: bool) -> str:
        try:
            return self._decoder.decode(data, final)
        except UnicodeDecodeError as exc:
            line = self._line_no + 1 + exc.object[: exc.start].count(b"\n")
            raise _invalid("The file is not UTF-8 text; save it as CSV UTF-8.", line=line) from None

    def _take(self, text: str) -> None:
        *lines, self._partial_line = (self._partial_line + text).split("\n")
        for line in lines:
            self._take_line(line)
        if len(self._partial_line) > _LINE_LENGTH_MAX:
            raise _invalid("The file has a line that is far too long for a contact.", line=self._line_no + 1)

    def _take_line(self, line: str) -> None:
        self._line_no += 1
        if len(line) > _LINE_LENGTH_MAX:
            raise _invalid("The file has a line that is far too long for a contact.", line=self._line_no)
        if not self._separator:
            if line.strip():
                self._read_header(line)
            return
        self._open.append(line)
        self._read_open()

    def _read_open(self) -> None:
        """Takes the open lines as one record if they are one."""
        cells = self._cells_of("\n".join(self._open))
        if cells is not None:
            row_line, self._open = self._line_no - len(self._open) + 1, []
            self._read_row(cells, line=row_line)
        elif len(self._open) >= _OPEN_LINES_MAX or sum(map(len, self._open)) > _OPEN_LENGTH_MAX:
            self._give_up_quote()

    def _give_up_quote(self) -> None:
        """Rejects the line that opened the quote and reads the lines after it again, each for itself."""
        first, *rest = self._open
        last_line_no = self._line_no
        line = last_line_no - len(rest)
        self._open = []
        self._count_row()
        self.taken.reject(
            line, "row", "has a quotation mark that is never closed; close it or double it", first
        )
        for offset, text in enumerate(rest, start=1):
            self._line_no = line + offset
            self._open.append(text)
            self._read_open()
        self._line_no = last_line_no

    def _cells_of(self, record: str) -> list[str] | None:
        """None if a quote is still open."""
        if '"' not in record:
            return record.split(self._separator)
        try:
            return next(
                csv.reader([record], delimiter=self._separator, strict=record.count('"') % 2 == 1), []
            )
        except csv.Error:
            return None if record.count('"') % 2 else []

    def _read_header(self, line: str) -> None:
        candidates = [(separator, _header_names(line, separator)) for separator in _SEPARATORS]
        separator, names = max(candidates, key=lambda candidate: len(set(candidate[1]) & set(COLUMNS)))
        missing = [column for column in COLUMNS if column not in names]
        if missing:
            raise _invalid(
                f"The header lacks {', '.join(missing)}; it must name the columns name, business_name and "
                "phone, separated by commas, semicolons or tabs.",
                line=self._line_no,
            )
        doubled = [column for column in COLUMNS if names.count(column) > 1]
        if doubled:
            raise _invalid(f"The header names {', '.join(doubled)} more than once.", line=self._line_no)
        self._separator, self._cells = separator, len(names)
        self._columns = {column: names.index(column) for column in COLUMNS}
        self._time_zone = next((index for index, name in enumerate(names) if name in TIME_ZONE_COLUMNS), None)

    def _count_row(self) -> None:
        self.taken.rows += 1
        if self.rows > ROWS_MAX:
            raise ContactsFileTooLarge(
                "The file has more than 10,000 rows; nothing of it was kept.",
                metadata={"limit": f"{ROWS_MAX} rows"},
            )

    def _read_row(self, cells: list[str], *, line: int) -> None:
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            return
        self._count_row()
        if len(cells) < self._cells or any(cells[self._cells :]):
            problem = f"has {len(cells)} cells, the header has {self._cells}"
            remedy = "put cells that hold a separator in quotes"
            self.taken.reject(line, "row", f"{problem}; {remedy}", self._separator.join(cells))
            return
        texts = {column: cells[index] for column, index in self._columns.items()}
        if self._time_zone is not None:
            texts["timezone"] = cells[self._time_zone]
        self.taken.read(texts, line=line)


def _header_names(line: str, separator: str) -> list[str]:
    cells = next(csv.reader([line], delimiter=separator), [])
    return [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in cells]


def _invalid(message: str, *, line: int) -> ContactsFileInvalid:
    return ContactsFileInvalid(message, metadata={"line": str(line)})
