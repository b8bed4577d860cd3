"""What the environment and the settings accept."""

from pathlib import Path

import pytest

from deploy.sandbox.config import Config, ConfigurationError
from deploy.sandbox.settings import Settings, changed, public_view


def test_the_environment_is_read_whole(tmp_path: Path) -> None:
    environ = {
        "SANDBOX_LISTEN": "0.0.0.0:9",
        "SANDBOX_DATA_DIR": str(tmp_path),
        "SANDBOX_OPENAPI_DIR": "/specs",
        "SANDBOX_SEED": "7",
        "SANDBOX_SPEED": "2.5",
        "SANDBOX_VAPI_SIGNATURE": "HMAC_TIMESTAMP",
        "SANDBOX_VAPI_API_KEY": "k",
        "SANDBOX_TWILIO_SMS_URL": "http://x/sms",
    }

    config = Config.from_env(environ)

    assert ("0.0.0.0", 9, 7, Path("/specs")) == (config.host, config.port, config.seed, config.openapi_dir)
    assert Settings(
        speed=2.5, signature="HMAC_TIMESTAMP", vapi_api_key="k", twilio_sms_url="http://x/sms"
    ) == (config.settings)


def test_every_problem_of_the_environment_is_told() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Config.from_env({"SANDBOX_LISTEN": "x", "SANDBOX_SEED": "y", "SANDBOX_VAPI_SIGNATURE": "z"})

    for name in ("SANDBOX_LISTEN", "SANDBOX_SEED", "SANDBOX_DATA_DIR", "signature"):
        assert name in str(caught.value)


def test_changed_settings_keep_the_rest_and_hide_secrets() -> None:
    settings = changed(Settings(speed=3.0), {"webhookSecret": "s", "callSeconds": [1, 2]})

    assert (3.0, "s", (1.0, 2.0)) == (settings.speed, settings.webhook_secret, settings.call_seconds)
    assert ("***", "") == (public_view(settings)["webhookSecret"], public_view(settings)["vapiApiKey"])
    with pytest.raises(ValueError, match="callSeconds"):
        changed(settings, {"callSeconds": [2, 1]})
