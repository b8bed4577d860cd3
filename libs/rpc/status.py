"""ServiceError to google.rpc.Status and back. The only place where kinds and gRPC codes meet."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import grpc
import grpc.aio
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from libs.errors import FieldViolation, Kind, ServiceError

DOMAIN: Final = "callplane"
INTERNAL_MESSAGE: Final = "Something broke on our side."

CODES: Final[Mapping[Kind, grpc.StatusCode]] = {
    Kind.BAD_INPUT: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.FORBIDDEN: grpc.StatusCode.PERMISSION_DENIED,
    Kind.MISSING: grpc.StatusCode.NOT_FOUND,
    Kind.DUPLICATE: grpc.StatusCode.ALREADY_EXISTS,
    Kind.LOST_RACE: grpc.StatusCode.ABORTED,
    Kind.WRONG_STATE: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.TIMEOUT: grpc.StatusCode.DEADLINE_EXCEEDED,
    Kind.INTERNAL: grpc.StatusCode.INTERNAL,
}
_KINDS: Final = {code: kind for kind, code in CODES.items()} | {grpc.StatusCode.OUT_OF_RANGE: Kind.BAD_INPUT}

# For failures that no service of ours described: the connection's, or a proxy's.
_REASONS: Final = {
    Kind.UNAVAILABLE: "PEER_UNAVAILABLE",
    Kind.TIMEOUT: "DEADLINE_EXCEEDED",
    Kind.EXHAUSTED: "LIMIT_EXCEEDED",
    Kind.UNAUTHENTICATED: "UNAUTHENTICATED",
    Kind.BAD_INPUT: "INVALID_ARGUMENT",
    Kind.MISSING: "NOT_FOUND",
}


# Errors travel in trailers. Too long ones break the connection, and with it all other calls on it.
_VIOLATIONS_MAX: Final = 10
_TEXT_LENGTH_MAX: Final = 300


class PeerError(ServiceError):
    """A service that this one needs refused or did not answer."""

    kind = Kind.UNAVAILABLE
    reason = "PEER_UNAVAILABLE"


def to_status(error: ServiceError) -> status_pb2.Status:
    """What the caller sees. An internal error tells nothing but that it is one."""
    code: int = CODES[error.kind].value[0]
    if error.kind is Kind.INTERNAL:
        return status_pb2.Status(
            code=code, message=INTERNAL_MESSAGE, details=[_packed(_info("INTERNAL", {}))]
        )
    details = [_packed(_info(error.reason, error.metadata))]
    if error.violations:
        bad_request = error_details_pb2.BadRequest()
        for violation in error.violations[:_VIOLATIONS_MAX]:
            bad_request.field_violations.add(
                field=violation.field[:_TEXT_LENGTH_MAX], description=violation.description[:_TEXT_LENGTH_MAX]
            )
        details.append(_packed(bad_request))
    if error.retry_after_seconds is not None:
        retry_info = error_details_pb2.RetryInfo()
        retry_info.retry_delay.FromMilliseconds(round(error.retry_after_seconds * 1000))
        details.append(_packed(retry_info))
    return status_pb2.Status(code=code, message=error.message[:_TEXT_LENGTH_MAX], details=details)


def retry_after(error: ServiceError) -> str:
    """The value of the HTTP header: whole seconds, where asking again makes sense; else empty."""
    if error.kind is not Kind.UNAVAILABLE and error.retry_after_seconds is None:
        return ""
    return str(max(1, math.ceil(error.retry_after_seconds or 1)))


async def abort(context: grpc.aio.ServicerContext[Any, Any], error: ServiceError) -> NoReturn:
    """Ends a call with an error. Over REST, Envoy hands the metadata on as headers."""
    status = rpc_status.to_status(to_status(error))
    seconds = retry_after(error)
    metadata = (("retry-after", seconds),) if seconds else ()
    await context.abort(status.code, status.details, (*status.trailing_metadata, *metadata))


def to_service_error(error: grpc.aio.AioRpcError) -> ServiceError:
    """The error a peer answered with, as our own caller may see it: same kind, reason, fields and
    patience."""
    kind = _KINDS.get(error.code(), Kind.INTERNAL)
    status = _status_of(error)
    if status is None:
        return _peer_error(kind, _REASONS.get(kind, "INTERNAL"), PeerError())
    reason, metadata = _REASONS.get(kind, "INTERNAL"), dict[str, str]()
    violations: list[FieldViolation] = []
    retry_after_seconds = None
    for detail in status.details:
        info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        retry_info = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad_request):
            violations = [FieldViolation(one.field, one.description) for one in bad_request.field_violations]
        elif detail.Unpack(retry_info):
            retry_after_seconds = retry_info.retry_delay.ToMilliseconds() / 1000
    described = PeerError(
        status.message, metadata=metadata, violations=violations, retry_after_seconds=retry_after_seconds
    )
    return _peer_error(kind, reason, described)


def _peer_error(kind: Kind, reason: str, error: PeerError) -> PeerError:
    error.kind, error.reason = kind, reason
    return error


def _status_of(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    """The status of one of our own services; anybody else's text is not ours to pass on."""
    try:
        status = rpc_status.from_call(error)
    except ValueError:
        return None
    if status is None or not any(
        detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR) for detail in status.details
    ):
        return None
    return status


def _info(reason: str, metadata: Mapping[str, str]) -> error_details_pb2.ErrorInfo:
    short = {key: value[:_TEXT_LENGTH_MAX] for key, value in metadata.items()}
    return error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=short)


def _packed(
    detail: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


@contextmanager
def peer_errors() -> Iterator[None]:
    """Raises what a peer answers with inside the block as our own ServiceError."""
    try:
        yield
    except grpc.aio.AioRpcError as exc:
        raise to_service_error(exc) from exc
