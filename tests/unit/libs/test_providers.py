"""What is wrong with the variables of OpenTelemetry is said before anything is switched on."""

import pytest

from libs.environment import ConfigurationError
from libs.telemetry import providers


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_TRACES_SAMPLER": "sometimes"},
        {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"},
        {"OTEL_TRACES_EXPORTER": "carrier pigeon"},
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
    ],
    ids=["sampler", "its argument", "exporter", "protocol"],
)
def test_a_wrong_value_is_refused_unless_telemetry_is_off(environ: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="must be"):
        providers.check(environ)

    providers.check({**environ, "OTEL_SDK_DISABLED": "true"})
