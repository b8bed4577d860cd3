"""Traces, metrics and JSON logs, with nothing personal in them.

Attributes are an allow list by habit: ids, counts, kinds and states; never payloads, texts, phone numbers or
secrets.
"""

from opentelemetry.trace import SpanKind

from libs.masking import mask_phone
from libs.telemetry.logs import bind, bind_call, logger
from libs.telemetry.providers import Telemetry, setup
from libs.telemetry.tracing import (
    current_traceparent,
    is_untraced,
    meter,
    span,
    start_span,
    traceparent_of,
    tracer,
    unrecorded,
)

__all__ = [
    "SpanKind",
    "Telemetry",
    "bind",
    "bind_call",
    "current_traceparent",
    "is_untraced",
    "logger",
    "mask_phone",
    "meter",
    "setup",
    "span",
    "start_span",
    "traceparent_of",
    "tracer",
    "unrecorded",
]
