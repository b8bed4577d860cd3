"""Reading the environment: all problems at once, secrets never shown."""

import pytest

from libs.environment import ConfigurationError, EnvironmentReader, Secret


def test_values_are_read_by_type() -> None:
    reader = EnvironmentReader(
        {
            "CALLS_LISTEN": "127.0.0.1:0",
            "CALLS_LINES": "10",
            "CALLS_RATIO": "0.5",
            "CALLS_ON": "Yes",
            "CALLS_KEY": " secret ",
        },
        prefix="CALLS_",
    )

    assert reader.address("LISTEN") == "127.0.0.1:0"
    assert reader.integer("LINES", minimum=1, maximum=10) == 10
    assert reader.number("RATIO") == 0.5
    assert reader.flag("ON") is True
    assert reader.secret("KEY").reveal() == "secret"
    reader.finish()


def test_several_secrets_stand_in_one_variable() -> None:
    reader = EnvironmentReader(
        {"KEYS": "first-key-there-was, second-key-there-was,", "SHORT": "long-enough,no"}
    )

    assert ["first-key-there-was", "second-key-there-was"] == [one.reveal() for one in reader.secrets("KEYS")]
    assert () == reader.secrets("OTHER_KEYS")
    reader.secrets("SHORT", length_min=4)
    with pytest.raises(ConfigurationError) as raised:
        reader.finish()
    assert ("SHORT must have at least 4 characters in each",) == raised.value.problems


def test_defaults_stand_in_for_missing_and_empty_variables() -> None:
    reader = EnvironmentReader({"METRICS_LISTEN": ""})

    assert reader.address("METRICS_LISTEN", default="") == ""
    assert reader.text("NAME", default="x") == "x"
    assert reader.integer("LINES", default=3) == 3
    assert reader.flag("ON", default=False) is False
    assert reader.secret("KEY", default="") == Secret("")
    reader.finish()


def test_all_problems_are_told_together() -> None:
    reader = EnvironmentReader(
        {
            "LINES": "ten",
            "TICK": "nan",
            "ON": "perhaps",
            "LISTEN": "8080",
            "CAP": "51",
            "PRINCIPAL_SECRET": "short",
        }
    )
    reader.text("DATABASE_URL")
    reader.integer("LINES")
    reader.number("TICK")
    reader.flag("ON")
    reader.address("LISTEN")
    reader.integer("CAP", maximum=50)
    reader.secret("PRINCIPAL_SECRET", length_min=32)
    reader.problem("LEASE", "must be longer than the timeout")

    with pytest.raises(ConfigurationError) as raised:
        reader.finish()

    assert raised.value.problems == (
        "DATABASE_URL is required",
        "LINES must be a whole number, not 'ten'",
        "TICK must be a finite number, not 'nan'",
        "ON must be 1 or 0, not 'perhaps'",
        "LISTEN must be host:port, not '8080'",
        "CAP must be at most 50, not 51",
        "PRINCIPAL_SECRET must have at least 32 characters",
        "LEASE must be longer than the timeout",
    )


def test_a_secret_shows_itself_to_nobody_who_does_not_ask() -> None:
    secret = Secret("hunter2")

    assert [repr(secret), str(secret), f"{secret}"] == ["***", "***", "***"]
    assert secret == Secret("hunter2")
    assert secret != Secret("hunter3")
    assert secret.reveal() == "hunter2"
