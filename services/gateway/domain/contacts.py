"""What became of an uploaded file of contacts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RejectedRow:
    row: int
    field: str
    reason: str
    value: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Its fields, in lowerCamelCase, are the answer to the upload."""

    import_id: str
    total_rows: int
    accepted: int
    rejected: tuple[RejectedRow, ...]
    duplicates: int
