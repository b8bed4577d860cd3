"""One stack for all stories that do not need a broken one."""

from collections.abc import AsyncIterator

import pytest

from tests.support.stack import Stack, started


@pytest.fixture(scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    async with started(
        tmp_path_factory.mktemp("stack"), CALLS_SETTLE_SECONDS="6", CALLS_RECONCILE_SECONDS="1"
    ) as stack:
        yield stack
