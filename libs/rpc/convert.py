"""Between protos and Python values."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format, struct_pb2, timestamp_pb2


def timestamp(at: datetime | None) -> timestamp_pb2.Timestamp | None:
    """None leaves a field unset."""
    if at is None:
        return None
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(at)
    return message


def moment(message: timestamp_pb2.Timestamp) -> datetime:
    """A time in UTC. An unset field reads as 1970; ask `HasField` first."""
    return message.ToDatetime(tzinfo=UTC)


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(values), struct_pb2.Struct())


def to_dict(message: struct_pb2.Struct) -> dict[str, Any]:
    """Whole numbers come back as float; JSON does not tell them apart."""
    values: dict[str, Any] = json_format.MessageToDict(message)
    return values
