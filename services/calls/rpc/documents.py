"""JSON of the provider, as protos carry it."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from google.protobuf import struct_pb2

from libs.rpc import convert

# Each level of JSON is three of a proto, and readers refuse more than 100.
_DEPTH_MAX: Final = 25
# Beyond, numbers of protos could not tell neighbors apart for long already, and endless digits would fail.
_INTEGER_MAX: Final = 2**63 - 1


def struct(document: Mapping[str, Any]) -> struct_pb2.Struct:
    """What is nested deeper than a proto may be, and endless digits, stand there as text."""
    return convert.struct({key: _flattened(value, depth=1) for key, value in document.items()})


def _flattened(value: Any, *, depth: int) -> Any:
    if isinstance(value, int) and abs(value) > _INTEGER_MAX:
        return str(value)
    if not isinstance(value, dict | list):
        return value
    if depth >= _DEPTH_MAX:
        return msgspec.json.encode(value).decode()
    if isinstance(value, list):
        return [_flattened(item, depth=depth + 1) for item in value]
    return {key: _flattened(item, depth=depth + 1) for key, item in value.items()}
