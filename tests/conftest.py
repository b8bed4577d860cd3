"""Fixtures for every test, and an environment that holds nothing of the developer's."""

import gc
import os
from collections.abc import Generator

_FOREIGN = ("OTEL_", "CALLS_", "CAMPAIGNS_", "NOTIFY_", "GATEWAY_", "VAPI_", "TWILIO_", "PG")
_FOREIGN_NAMES = {"FAILPOINTS", "PRINCIPAL_SECRET", "CRON_SHARED_SECRET", "LOG_LEVEL", "INCLUDE_STACK_TRACE"}

# Before anything of ours is imported: some of it looks at the environment then.
for _name in list(os.environ):
    if _name.startswith(_FOREIGN) or _name in _FOREIGN_NAMES or _name.lower().endswith("_proxy"):
        del os.environ[_name]

import pytest  # noqa: E402
import structlog  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402
from xdist.remote import Producer  # noqa: E402

from tests.support.dealing import ByHand, turn_of  # noqa: E402
from tests.support.postgres import (  # noqa: E402
    blank_database,
    blank_template,
    cluster,
    database,
    dsn,
    migrated_template,
)

# How fast examples come is a matter of the machine, not of the code: no test is timed.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
# Plain tracebacks until a test configures logs itself: the default draws every local variable, for seconds.
structlog.configure(
    processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()]
)

__all__ = ["blank_database", "blank_template", "cluster", "database", "dsn", "migrated_template"]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays until the end: looking through it for garbage, now and in each test, is in
    vain."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: turn_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByHand:
    return ByHand(config, log)
