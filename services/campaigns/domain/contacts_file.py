"""The contacts CSV, read as it arrives: good rows, and for each bad one what is wrong and what would be
right.

UTF-8 with or without a byte order mark; separated by comma, semicolon or tab; any line ending. The header
names the columns `name`, `business_name` and `phone` in any order and case; other columns are ignored, as are
blank lines.
"""

import codecs
import csv
import io
import re
from dataclasses import dataclass
from typing import Final

from libs import phone
from services.campaigns.domain.contacts import NewContact
from services.campaigns.errors import ContactsFileInvalid, ContactsFileTooLarge

BYTES_MAX: Final = 10 * 1024 * 1024
ROWS_MAX: Final = 10_000
COLUMNS: Final = ("name", "business_name", "phone")
REGION_DEFAULT: Final = "CA"

_TEXT_LENGTH_MAX = 200
_VALUE_LENGTH_MAX = 100
_LINE_LENGTH_MAX = 65_536
# A quoted cell may hold line breaks, but a quote that is never closed must not swallow the file.
_OPEN_LINES_MAX = 10
_OPEN_LENGTH_MAX = 4096
_SEPARATORS = ",;\t"
_SCIENTIFIC = re.compile(r"\d+([.,]\d+)?[eE]\+?\d+")
_PHONE_HINT = "write it like +15145550123"


@dataclass(frozen=True, slots=True)
class Rejection:
    """`row` is the line of the file, counted from 1 with the header."""

    row: int
    field: str
    reason: str
    value: str


class ContactsFile:
    """Feed it the bytes in pieces, then finish it. Holds the contacts and rejections, never the file."""

    def __init__(self, *, region: str = REGION_DEFAULT) -> None:
        self.contacts: list[NewContact] = []
        self.rejections: list[Rejection] = []
        self.rows = 0
        self.duplicates = 0
        self._region = region
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
        self._cells = 0
        self._phones: set[str] = set()

    def feed(self, data: bytes) -> None:
        """Raises ContactsFileInvalid or ContactsFileTooLarge for the file as a whole."""
        self._bytes += len(data)
        if self._bytes > BYTES_MAX:
            raise ContactsFileTooLarge(
                "The file is larger than 10 MiB; nothing of it was kept.",
                metadata={"limit": f"{BYTES_MAX} bytes"},
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
        self._reject(line, "row", "has a quotation mark that is never closed; close it or double it", first)
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

    def _count_row(self) -> None:
        self.rows += 1
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
            self._reject(line, "row", f"{problem}; {remedy}", self._separator.join(cells))
            return
        texts = {column: cells[index] for column, index in self._columns.items()}
        if self._texts_are_good(texts, line=line):
            self._read_phone(texts, line=line)

    def _texts_are_good(self, texts: dict[str, str], *, line: int) -> bool:
        for field, text in texts.items():
            problem = _text_problem(field, text)
            if problem:
                self._reject(line, field, problem, text)
                return False
        return True

    def _read_phone(self, texts: dict[str, str], *, line: int) -> None:
        try:
            number = phone.to_e164(texts["phone"], region=self._region)
        except phone.InvalidPhone as exc:
            self._reject(line, "phone", f"{exc.why}; {_PHONE_HINT}", texts["phone"])
            return
        if number in self._phones:
            self.duplicates += 1
            return
        self._phones.add(number)
        contact = NewContact(
            row=self.rows, name=texts["name"], business_name=texts["business_name"], phone=number
        )
        self.contacts.append(contact)

    def _reject(self, line: int, field: str, reason: str, value: str) -> None:
        shown = value.replace("\0", "\ufffd")[:_VALUE_LENGTH_MAX]
        self.rejections.append(Rejection(row=line, field=field, reason=reason, value=shown))


def _header_names(line: str, separator: str) -> list[str]:
    cells = next(csv.reader([line], delimiter=separator), [])
    return [re.sub(r"[\s-]+", "_", cell.strip().lower()) for cell in cells]


def _text_problem(field: str, text: str) -> str:
    if "\0" in text:
        return "has a NUL character; remove it"
    if len(text) > _TEXT_LENGTH_MAX:
        return f"is longer than {_TEXT_LENGTH_MAX} characters; shorten it"
    if field == "name" and not text:
        return "is empty; say whom the call is for"
    if field == "phone" and not text:
        return f"is empty; {_PHONE_HINT}"
    if field == "phone" and _SCIENTIFIC.fullmatch(text):
        return f"was turned into a number by a spreadsheet; format the column as text and {_PHONE_HINT}"
    return ""


def _invalid(message: str, *, line: int) -> ContactsFileInvalid:
    return ContactsFileInvalid(message, metadata={"line": str(line)})
