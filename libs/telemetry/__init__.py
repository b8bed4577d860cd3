"""Traces, metrics and JSON logs, with nothing personal in them.

Attributes are an allow list by habit: ids, counts, kinds and states; never payloads, texts, phone numbers or
secrets. Switching telemetry on is a process's own: `libs.telemetry.providers`, which takes long to import.
"""

from opentelemetry.trace import SpanKind

from libs.masking import mask_phone
from libs.telemetry.logs import bind, bind_call, logger
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
    "bind",
    "bind_call",
    "current_traceparent",
    "is_untraced",
    "logger",
    "mask_phone",
    "meter",
    "span",
    "start_span",
    "traceparent_of",
    "tracer",
    "unrecorded",
]
