"""Between protos and Python values."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from google.protobuf import json_format, struct_pb2, timestamp_pb2

from libs.errors import InvalidArgument

# Usual times are converted here, because every webhook has one and the library takes three times as long.
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_3000: Final = int(datetime(3000, 1, 1, tzinfo=UTC).timestamp())
_SECOND: Final = 1_000_000_000


def timestamp(at: datetime | None) -> timestamp_pb2.Timestamp | None:
    """None leaves a field unset."""
    if at is None:
        return None
    if at.tzinfo is not UTC:
        message = timestamp_pb2.Timestamp()
        message.FromDatetime(at)
        return message
    since = at - _EPOCH
    return timestamp_pb2.Timestamp(
        seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000
    )


def moment(message: timestamp_pb2.Timestamp) -> datetime:
    """A time in UTC. An unset field reads as 1970; ask `HasField` first. Raises InvalidArgument for a time
    that is none."""
    if 0 <= message.seconds < _YEAR_3000 and 0 <= message.nanos < _SECOND:
        return _EPOCH + timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument("A time of the request does not lie within the years 1 to 9999.") from None


def struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(dict(values), struct_pb2.Struct())


def to_dict(message: struct_pb2.Struct) -> dict[str, Any]:
    """Whole numbers come back as float; JSON does not tell them apart."""
    values: dict[str, Any] = json_format.MessageToDict(message)
    return values
