"""The environment of the service."""

import pytest

from libs.environment import ConfigurationError
from services.campaigns.config import Config

ENVIRON = {
    "CAMPAIGNS_DATABASE_URL": "postgresql://campaigns@127.0.0.1/callplane",
    "CAMPAIGNS_WORKER_DATABASE_URL": "postgresql://campaigns_worker@127.0.0.1/callplane",
    "CAMPAIGNS_LISTEN": "127.0.0.1:0",
    "CALLS_ADDRESS": "127.0.0.1:5001",
    "NOTIFY_ADDRESS": "127.0.0.1:5002",
    "PRINCIPAL_SECRET": "x" * 32,
}


def test_the_defaults() -> None:
    config = Config.from_env(ENVIRON)

    assert (8, 60.0) == (config.cap_default, config.tick_seconds)
    assert "***" in repr(config)
    assert "x" * 32 not in repr(config)


def test_an_intent_outlasts_its_request() -> None:
    with pytest.raises(ConfigurationError) as raised:
        Config.from_env({**ENVIRON, "CAMPAIGNS_INTENT_SECONDS": "5", "CAMPAIGNS_PLACE_SECONDS": "5"})

    assert "CAMPAIGNS_INTENT_SECONDS" in raised.value.problems[0]


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as raised:
        Config.from_env({"DEFAULT_CONCURRENCY_CAP": "51", "CAMPAIGNS_TICK_SECONDS": "soon"})

    problems = "\n".join(raised.value.problems)
    for name in (*ENVIRON, "DEFAULT_CONCURRENCY_CAP", "CAMPAIGNS_TICK_SECONDS"):
        assert name in problems
