"""Errors on the wire: what a caller sees, and what a peer's caller makes of it."""

import grpc
import grpc.aio
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2

from libs.errors import FieldViolation, InvalidArgument, Kind, LimitExceeded, ServiceError
from libs.rpc.status import CODES, PeerError, retry_after, to_service_error, to_status

_DETAILS_KEY = "grpc-status-details-bin"


def _received(error: ServiceError) -> grpc.aio.AioRpcError:
    status = to_status(error)
    return grpc.aio.AioRpcError(
        CODES[error.kind],
        grpc.aio.Metadata(),
        grpc.aio.Metadata((_DETAILS_KEY, status.SerializeToString())),
        details=status.message,
    )


def _unpacked(details: list[any_pb2.Any]) -> list[str]:
    return [detail.type_url.rpartition(".")[2] for detail in details]


def test_reason_fields_and_patience_are_in_the_details() -> None:
    error = LimitExceeded(
        "Too many.",
        metadata={"limit": "8"},
        violations=[FieldViolation("cap", "too big")],
        retry_after_seconds=2.5,
    )

    status = to_status(error)

    assert (status.code, status.message) == (8, "Too many.")
    assert _unpacked(list(status.details)) == ["ErrorInfo", "BadRequest", "RetryInfo"]
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    assert (info.reason, info.domain, dict(info.metadata)) == ("LIMIT_EXCEEDED", "callplane", {"limit": "8"})


def test_when_to_ask_again_is_told_in_whole_seconds_where_it_makes_sense() -> None:
    told = {
        "1": [PeerError(), LimitExceeded(), LimitExceeded(retry_after_seconds=0.2)],
        "3": [PeerError(retry_after_seconds=2.5), LimitExceeded(retry_after_seconds=3)],
        "": [InvalidArgument(), ServiceError()],
    }

    for seconds, errors in told.items():
        assert [seconds] * len(errors) == [retry_after(error) for error in errors]


def test_an_internal_error_tells_nothing() -> None:
    status = to_status(ServiceError("the password is hunter2", metadata={"dsn": "secret"}))

    assert b"hunter2" not in status.SerializeToString()
    assert b"secret" not in status.SerializeToString()


def test_a_peers_error_comes_back_whole() -> None:
    sent = InvalidArgument(
        metadata={"a": "b"},
        violations=[FieldViolation("contacts[3].phone", "is too short")],
        retry_after_seconds=1.5,
    )

    error = to_service_error(_received(sent))

    assert (error.kind, error.reason, error.message) == (Kind.BAD_INPUT, "INVALID_ARGUMENT", sent.message)
    assert (error.metadata, error.violations, error.retry_after_seconds) == ({"a": "b"}, sent.violations, 1.5)


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, Kind.UNAVAILABLE, "PEER_UNAVAILABLE"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Kind.TIMEOUT, "DEADLINE_EXCEEDED"),
        (grpc.StatusCode.UNKNOWN, Kind.INTERNAL, "INTERNAL"),
        (grpc.StatusCode.UNIMPLEMENTED, Kind.INTERNAL, "INTERNAL"),
    ],
)
def test_texts_of_others_are_not_passed_on(code: grpc.StatusCode, kind: Kind, reason: str) -> None:
    raw = grpc.aio.AioRpcError(
        code, grpc.aio.Metadata(), grpc.aio.Metadata(), details="ipv4:10.0.0.7:9000: connection refused"
    )

    error = to_service_error(raw)

    assert (error.kind, error.reason) == (kind, reason)
    assert "10.0.0.7" not in error.message
