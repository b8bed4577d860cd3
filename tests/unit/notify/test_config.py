"""What the environment must say."""

import pytest

from libs.environment import ConfigurationError
from services.notify.config import Config

COMPLETE = {
    "NOTIFY_DATABASE_URL": "postgresql://notify:pw-1@db/callplane",
    "NOTIFY_WORKER_DATABASE_URL": "postgresql://notify_worker:pw-2@db/callplane",
    "NOTIFY_LISTEN": "0.0.0.0:7003",
    "CALLS_ADDRESS": "calls:7001",
    "CAMPAIGNS_ADDRESS": "campaigns:7002",
    "PRINCIPAL_SECRET": "p" * 32,
    "NOTIFY_ENCRYPTION_KEY": "k" * 32,
    "TWILIO_ACCOUNT_SID": "AC1",
    "TWILIO_AUTH_TOKEN": "token-1",
    "TWILIO_FROM": "+15148447210",
}


def test_a_complete_environment_is_enough_and_shows_no_secret() -> None:
    config = Config.from_env(COMPLETE)

    assert ("https://api.twilio.com", False) == (config.twilio_base_url, config.allow_private_urls)
    for secret in ("pw-1", "pw-2", "p" * 32, "k" * 32, "token-1"):
        assert secret not in repr(config)


def test_every_problem_is_told_at_once() -> None:
    broken = {**COMPLETE, "PRINCIPAL_SECRET": "short", "NOTIFY_ALLOW_PRIVATE_URLS": "maybe"}
    del broken["TWILIO_FROM"]

    with pytest.raises(ConfigurationError) as error:
        Config.from_env(broken)

    for name in ("PRINCIPAL_SECRET", "NOTIFY_ALLOW_PRIVATE_URLS", "TWILIO_FROM"):
        assert name in str(error.value)
