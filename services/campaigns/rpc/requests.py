"""What the servicers read from every request."""

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

import grpc.aio
from google.protobuf.message import Message

from libs.errors import FieldViolation, InvalidArgument, InvalidPageToken
from libs.rpc import pages, principal
from services.campaigns.operations.idempotency import RequestKey

_KEY_LENGTH_MAX = 200


def org_id() -> UUID:
    return principal().org_id


def request_key(request: Message, context: grpc.aio.ServicerContext[Any, Any]) -> RequestKey | None:
    """From the header `Idempotency-Key`, which reaches us as metadata."""
    metadata = dict(context.invocation_metadata() or ())
    key = metadata.get("idempotency-key", "")
    if not isinstance(key, str) or not key:
        return None
    if len(key) > _KEY_LENGTH_MAX:
        raise InvalidArgument(
            violations=[FieldViolation("Idempotency-Key", f"must have at most {_KEY_LENGTH_MAX} characters")]
        )
    content = request.DESCRIPTOR.full_name.encode() + b"\0" + request.SerializeToString(deterministic=True)
    return RequestKey(key=key, fingerprint=hashlib.sha256(content).hexdigest())


def page_uuid(token: str) -> UUID | None:
    """Of lists that go by id."""
    values = pages.decode(token, size=1)
    return _uuid(values[0]) if values else None


def page_position(token: str) -> int:
    values = pages.decode(token, size=1)
    if not values:
        return 0
    if not (values[0].isascii() and values[0].isdecimal() and len(values[0]) < 19):
        raise InvalidPageToken
    return int(values[0])


def page_name(token: str) -> tuple[str, UUID] | None:
    """Of lists that go by name and id."""
    values = pages.decode(token, size=2)
    return (values[0], _uuid(values[1])) if values else None


def page_time(token: str) -> tuple[datetime, UUID] | None:
    """Of lists that go by time and id."""
    values = pages.decode(token, size=2)
    return (pages.moment(values[0]), _uuid(values[1])) if values else None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidPageToken from None
