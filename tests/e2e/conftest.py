"""One stack for all stories that do not need a broken one."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.stack import Stack, started


@pytest.fixture(scope="package")
def only_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fails where a second process of this run would start one: see `tests.support.dealing`."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        yield
        return
    claim = tmp_path_factory.getbasetemp().parent / "the stack"
    claim.mkdir()
    yield
    claim.rmdir()


# Of the package, so that it ends with the last story instead of running on beside other tests.
@pytest.fixture(scope="package")
async def stack(only_stack: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with started(
        tmp_path_factory.mktemp("stack"), CALLS_SETTLE_SECONDS="6", CALLS_RECONCILE_SECONDS="1"
    ) as stack:
        yield stack
