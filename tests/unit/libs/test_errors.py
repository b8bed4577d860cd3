"""The tree of errors: every leaf can be told to a caller."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import libs
from callplane.errors.v1 import error_reason_pb2
from libs.errors import Kind, LimitExceeded, NotFound, ServiceError
from libs.rpc.status import CODES


def _descendants(error: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for child in error.__subclasses__():
        yield child
        yield from _descendants(child)


def _all_errors() -> list[type[ServiceError]]:
    for module in pkgutil.walk_packages(libs.__path__, "libs."):
        importlib.import_module(module.name)
    return [ServiceError, *_descendants(ServiceError)]


@pytest.mark.parametrize("error", _all_errors(), ids=lambda error: error.__qualname__)
def test_every_error_has_a_known_reason_a_kind_and_a_docstring(error: type[ServiceError]) -> None:
    assert f"ERROR_REASON_{error.reason}" in list(error_reason_pb2.ErrorReason.keys())
    assert error.kind in CODES
    assert error.__doc__


def test_every_kind_has_its_own_code() -> None:
    assert set(Kind) == set(CODES)
    assert len(CODES) == len(set(CODES.values()))


def test_the_message_defaults_to_the_docstring() -> None:
    assert str(NotFound()) == "There is no such thing."
    assert str(NotFound("No call with this id.")) == "No call with this id."


def test_patience_defaults_to_that_of_the_class() -> None:
    assert LimitExceeded().retry_after_seconds == 1.0
    assert LimitExceeded(retry_after_seconds=9.5).retry_after_seconds == 9.5
    assert NotFound().retry_after_seconds is None
