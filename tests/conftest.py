"""Fixtures for every test, and an environment that holds nothing of the developer's."""

import os

_FOREIGN = ("OTEL_", "CALLS_", "CAMPAIGNS_", "NOTIFY_", "GATEWAY_", "VAPI_", "TWILIO_", "PG")
_FOREIGN_NAMES = {"FAILPOINTS", "PRINCIPAL_SECRET", "CRON_SHARED_SECRET", "LOG_LEVEL", "INCLUDE_STACK_TRACE"}

# Before anything of ours is imported: some of it looks at the environment then.
for _name in list(os.environ):
    if _name.startswith(_FOREIGN) or _name in _FOREIGN_NAMES or _name.lower().endswith("_proxy"):
        del os.environ[_name]

import pytest  # noqa: E402
import structlog  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

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

# What takes longest begins first, so that no worker is left alone with it at the end.
_FOLDERS = ("tests/e2e", "tests/integration", "tests/contract", "tests/unit")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deals out tests by file; all that share the stack go to one worker, so that there is one of it."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=_turn)


def _group(item: pytest.Item) -> str:
    if _shares_stack(item):
        return "stack"
    own_stack = item.nodeid.startswith("tests/e2e/")
    return item.nodeid if own_stack else item.nodeid.partition("::")[0]


def _shares_stack(item: pytest.Item) -> bool:
    return item.nodeid.startswith("tests/e2e/") and "stack" in getattr(item, "fixturenames", ())


def _turn(item: pytest.Item) -> tuple[bool, int]:
    folder = next(n for n, folder in enumerate(_FOLDERS) if item.nodeid.startswith(folder))
    return (not _shares_stack(item), folder)
