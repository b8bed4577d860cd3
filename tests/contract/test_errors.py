"""Every error a service can raise has a word clients can branch on and a sentence people can read."""

import importlib
import pkgutil

import pytest

import libs
import services
from callplane.errors.v1 import error_reason_pb2
from libs.errors import Kind, ServiceError

REASONS = set(error_reason_pb2.ErrorReason.keys())


def leaves(cls: type[ServiceError]) -> list[type[ServiceError]]:
    return [cls] + [leaf for child in cls.__subclasses__() for leaf in leaves(child)]


def import_all() -> None:
    for package in (libs, services):
        for module in pkgutil.walk_packages(package.__path__, prefix=f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


import_all()


@pytest.mark.parametrize(
    "error", sorted(leaves(ServiceError), key=str), ids=lambda cls: f"{cls.__module__}.{cls.__name__}"
)
def test_an_error_has_a_reason_a_kind_and_a_sentence(error: type[ServiceError]) -> None:
    assert f"ERROR_REASON_{error.reason}" in REASONS
    assert isinstance(error.kind, Kind)
    assert (error.__doc__ or "").strip().endswith(".")
