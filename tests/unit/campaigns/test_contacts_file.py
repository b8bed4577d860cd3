"""What the contacts CSV may look like, and what is said about what it may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaigns.domain.contacts_file import ROWS_MAX, ContactsFile
from services.campaigns.errors import ContactsFileInvalid, ContactsFileTooLarge

HEADER = "name,business_name,phone\n"


def read(data: bytes | str, *, piece: int = 7, region: str = "CA") -> ContactsFile:
    content = data.encode() if isinstance(data, str) else data
    file = ContactsFile(region=region)
    for start in range(0, len(content), piece):
        file.feed(content[start : start + piece])
    file.finish()
    return file


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(HEADER + "Ann,Ann's,+15145550101\n", id="plain"),
        pytest.param("\ufeff" + HEADER + "Ann,Ann's,+15145550101\n", id="byte order mark"),
        pytest.param(HEADER + "Ann,Ann's,+15145550101", id="no newline at the end"),
        pytest.param("name;business_name;phone\nAnn;Ann's;+15145550101\n", id="semicolons"),
        pytest.param("name\tbusiness_name\tphone\nAnn\tAnn's\t+15145550101\n", id="tabs"),
        pytest.param("name,business_name,phone\r\nAnn,Ann's,+15145550101\r\n", id="windows lines"),
        pytest.param("name,business_name,phone\rAnn,Ann's,+15145550101\r", id="old mac lines"),
        pytest.param("Phone,Name,Business Name\n+15145550101,Ann,Ann's\n", id="order and case"),
        pytest.param("city,name,business_name,phone\nLaval,Ann,Ann's,+15145550101\n", id="another column"),
        pytest.param('"name","business_name","phone"\n"Ann","Ann\'s","+15145550101"\n', id="quotes"),
        pytest.param(HEADER + "\n,,\nAnn,Ann's,+15145550101\n\n", id="blank lines"),
        pytest.param("\n\n" + HEADER + "Ann,Ann's,+15145550101\n", id="blank lines before"),
        pytest.param(HEADER + "Ann,Ann's,+15145550101,,\n", id="empty cells behind"),
        pytest.param(HEADER + "  Ann , Ann's ,(514) 555-0101\n", id="spaces, national form"),
    ],
)
def test_the_same_contact_in_many_forms(data: str) -> None:
    file = read(data)

    assert [] == file.rejections
    assert [("Ann", "Ann's", "+15145550101", 1)] == [
        (one.name, one.business_name, one.phone, one.row) for one in file.contacts
    ]
    assert 1 == file.rows


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ("Ann,A,12", "phone", "is too short"),
        ("Ann,A,5550101", "phone", "has no area code"),
        ("Ann,A,+15145550101555555", "phone", "is too long"),
        ("Ann,A,nobody", "phone", "is not a phone number"),
        ("Ann,A,+19005550101", "phone", "is a premium-rate number"),
        ("Ann,A,+979123456789", "phone", "is a premium-rate number"),
        ("Ann,A,911", "phone", "is an emergency number"),
        ("Ann,A,411", "phone", "is a short number"),
        ("Ann,A,", "phone", "is empty"),
        ("Ann,A,1.5145550101E+10", "phone", "spreadsheet"),
        ('Ann,A,"=""+15145550101"""', "phone", "formula"),
        (",A,+15145550101", "name", "is empty"),
        (f"{'x' * 201},A,+15145550101", "name", "longer than 200"),
        ("A\0nn,A,+15145550101", "name", "NUL"),
        ("Ann,+15145550101", "row", "has 2 cells, the header has 3"),
        ("Ann,A,B,+15145550101", "row", "has 4 cells, the header has 3"),
    ],
)
def test_a_bad_row_is_told_with_line_field_and_remedy(row: str, field: str, words: str) -> None:
    """CA-1: nothing is dropped silently."""
    file = read(f"{HEADER}Bob,B,+15145550199\n{row}\nCat,C,+15145550198\n")

    assert ["Bob", "Cat"] == [one.name for one in file.contacts]
    [rejection] = file.rejections
    assert (3, field) == (rejection.row, rejection.field)
    assert words in rejection.reason
    assert len(rejection.value) <= 100
    assert 3 == file.rows


@pytest.mark.parametrize(
    ("data", "words", "line"),
    [
        (b"", "is empty", "1"),
        (b"\n\n", "is empty", "1"),
        (b"name,phone\nAnn,+15145550101\n", "lacks business_name", "1"),
        (b"Ann,Ann's,+15145550101\n", "lacks name, business_name, phone", "1"),
        (b"name,business_name,phone,phone\n", "phone more than once", "1"),
        (HEADER.encode("utf-16"), "is not UTF-8", "1"),
        (HEADER.encode() + "Ann,A,+15145550101\nZoé,Z,+15145550102\n".encode("latin-1"), "is not UTF-8", "3"),
        (b"name,business_name,phone\n" + b"x" * 70_000, "far too long", "2"),
        (b"\x89PNG\r\n\x1a\n", "is not UTF-8", "1"),
    ],
)
def test_what_is_no_contacts_file_is_refused_as_a_whole(data: bytes, words: str, line: str) -> None:
    with pytest.raises(ContactsFileInvalid) as raised:
        read(data, piece=1000)

    assert words in raised.value.message
    assert line == raised.value.metadata["line"]


def test_a_quoted_cell_may_hold_separators_quotes_and_lines() -> None:
    file = read(HEADER + '"Ann, ""the boss""","A\nB",+15145550101\nBob,B,+15145550102\nCat,C,1\n')

    assert [('Ann, "the boss"', "A\nB"), ("Bob", "B")] == [
        (one.name, one.business_name) for one in file.contacts
    ]
    assert [5] == [one.row for one in file.rejections]


@pytest.mark.parametrize("rows_behind", [2, 50])
def test_a_quote_that_is_never_closed_costs_one_row(rows_behind: int) -> None:
    rows = "".join(f"P{n},B,+1514555{1000 + n}\n" for n in range(rows_behind))
    file = read(HEADER + '"Ann,A,+15145550101\n' + rows)

    assert rows_behind == len(file.contacts)
    [rejection] = file.rejections
    assert (2, "row") == (rejection.row, rejection.field)
    assert "never closed" in rejection.reason
    assert rows_behind + 1 == file.rows


def test_a_stray_quote_inside_a_cell_is_a_character() -> None:
    file = read(HEADER + 'Ann,5" pipes,+15145550101\nBob,B,+15145550102\n')

    assert ['5" pipes', "B"] == [one.business_name for one in file.contacts]


def test_a_number_that_came_before_is_a_duplicate() -> None:
    file = read(HEADER + "Ann,A,+15145550101\nAnn,A,514 555 0101\nBob,B,+15145550102\n")

    assert (3, 2, 1) == (file.rows, len(file.contacts), file.duplicates)


def test_the_region_decides_about_national_numbers() -> None:
    assert "+33612345678" == read(HEADER + "Eve,,0612345678\n", region="FR").contacts[0].phone
    assert 1 == len(read(HEADER + "Eve,,612345678\n", region="CA").rejections)


def test_rows_beyond_the_limit_refuse_the_file() -> None:
    rows = "".join(f"P,B,+1514{5550000 + n}\n" for n in range(ROWS_MAX))
    assert ROWS_MAX == read(HEADER + rows, piece=65_536).rows

    with pytest.raises(ContactsFileTooLarge):
        read(HEADER + rows + "P,B,1\n", piece=65_536)


def test_bytes_beyond_the_limit_refuse_the_file() -> None:
    with pytest.raises(ContactsFileTooLarge) as raised:
        read(HEADER.encode() + (b"x" * 60_000 + b",B,1\n") * 180, piece=1_000_000)

    assert "10485760 bytes" == raised.value.metadata["limit"]


@given(
    st.text(alphabet=st.sampled_from('Aé,;"\n\r\t\0 +15=') | st.characters(codec="utf-8"), max_size=200),
    st.integers(1, 50),
)
def test_any_text_behind_the_header_is_accounted_for(text: str, piece: int) -> None:
    try:
        file = read(HEADER + text, piece=piece)
    except ContactsFileInvalid:
        return

    assert file.rows == len(file.contacts) + len(file.rejections) + file.duplicates
    whole = read(HEADER + text, piece=10_000)
    assert (file.contacts, file.rejections) == (whole.contacts, whole.rejections)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        file = read(data)
    except ContactsFileInvalid:
        return

    assert file.rows == len(file.contacts) + len(file.rejections) + file.duplicates


def test_a_time_zone_may_stand_beside_the_number() -> None:
    """CA-5: the recipient's zone from the contact."""
    file = read(
        "name,business_name,phone,Timezone\n"
        "Ann,A,+15145550101,America/Vancouver\n"
        "Bob,B,+15145550102,\n"
        "Cam,C,+15145550103,Montreal\n"
    )

    assert [("Ann", "America/Vancouver"), ("Bob", "")] == [(one.name, one.time_zone) for one in file.contacts]
    [rejection] = file.rejections
    assert (4, "timezone", "Montreal") == (rejection.row, rejection.field, rejection.value)
    assert "America/Toronto" in rejection.reason
