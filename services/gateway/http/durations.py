"""How long HTTP requests took, by route, method and status."""

from functools import lru_cache
from typing import Final

from prometheus_client import Histogram

# As the semantic conventions have them, in seconds.
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
# Prometheus' own, because every webhook is measured and OpenTelemetry's takes ten times as long. Names as
# those of OpenTelemetry's `http.server.request.duration` there.
_duration: Final = Histogram(
    "http_server_request_duration_seconds",
    "Time a request took, by route and status.",
    ("http_route", "http_request_method", "http_response_status_code"),
    buckets=_BUCKETS,
)


def record(seconds: float, *, route: str, method: str, status: int) -> None:
    _labeled(route, method, status).observe(seconds)


@lru_cache(maxsize=1024)
def _labeled(route: str, method: str, status: int) -> Histogram:
    return _duration.labels(route, method, str(status))
