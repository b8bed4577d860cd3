"""Errors as HTTP answers: the one table, in the shape that Envoy's transcoder gives to errors too."""

from collections.abc import Mapping
from typing import Final

import msgspec
from google.protobuf import json_format
from starlette.responses import Response

from libs.errors import Kind, ServiceError
from libs.rpc.status import retry_after, to_status

_STATUSES: Final[Mapping[Kind, int]] = {
    Kind.BAD_INPUT: 400,
    Kind.UNAUTHENTICATED: 401,
    Kind.FORBIDDEN: 403,
    Kind.MISSING: 404,
    Kind.DUPLICATE: 409,
    Kind.LOST_RACE: 409,
    Kind.WRONG_STATE: 400,
    Kind.EXHAUSTED: 429,
    Kind.UNAVAILABLE: 503,
    Kind.TIMEOUT: 504,
    Kind.INTERNAL: 500,
}

# HTTP has a word of its own for some reasons.
_STATUSES_BY_REASON: Final[Mapping[str, int]] = {
    "METHOD_NOT_ALLOWED": 405,
    "BODY_TOO_LARGE": 413,
    "CONTACTS_FILE_TOO_LARGE": 413,
    "CONTENT_TYPE_UNSUPPORTED": 415,
}


def to_response(error: ServiceError) -> Response:
    status = _STATUSES_BY_REASON.get(error.reason) or _STATUSES[error.kind]
    body = json_format.MessageToDict(to_status(error))
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        media_type="application/json",
        headers=_headers(error, status),
    )


def _headers(error: ServiceError, status: int) -> dict[str, str]:
    headers = {}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status == 405:
        headers["allow"] = error.metadata.get("allow", "")
    if status == 413:
        # The rest of the body is not waited for.
        headers["connection"] = "close"
    if seconds := retry_after(error):
        headers["retry-after"] = seconds
    return headers
