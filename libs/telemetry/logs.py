"""One JSON object per line on standard output, for our own logs and for those of libraries."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TextIO

import msgspec
import structlog
from opentelemetry import trace
from structlog.typing import EventDict, Processor, WrappedLogger

from libs.masking import mask_phone

_LEVELS = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for a module. Events are short fixed sentences; what varies goes into keyword arguments."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return bound


@contextmanager
def bind(**fields: str) -> Iterator[None]:
    """Adds fields (`org_id`, `call_id`, `request_id`) to every line logged inside, over awaits too."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield


def bind_call(**fields: str) -> None:
    """Like `bind`, until the current task ends: for a server's call, which has a task of its own."""
    structlog.contextvars.bind_contextvars(**{name: value for name, value in fields.items() if value})


def configure(service: str, *, level: str, stack_traces: bool, stream: TextIO | None = None) -> None:
    """`stack_traces` off leaves the type of an exception only. Unknown levels count as INFO."""
    shared = _processors(service, stack_traces=stack_traces)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _ordered, _render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper() if level.upper() in _LEVELS else "INFO")
    # Their INFO lines repeat what spans and metrics tell, with full URLs in them.
    for noisy in ("httpx", "httpcore", "hpack", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _processors(service: str, *, stack_traces: bool) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.stdlib.PositionalArgumentsFormatter(),
        partial(_add_service_and_trace, service),
        structlog.processors.format_exc_info if stack_traces else _exception_type_only,
        structlog.processors.EventRenamer("message"),
        _mask_phones,
    ]


def _add_service_and_trace(service: str, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["service"] = service
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
        event["span_id"] = format(context.span_id, "016x")
    return event


def _exception_type_only(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    raised = event.pop("exc_info", None)
    if raised is True:
        raised = sys.exc_info()
    if isinstance(raised, tuple):
        raised = raised[1]
    if isinstance(raised, BaseException):
        event["exception_type"] = type(raised).__qualname__
    return event


def _mask_phones(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if isinstance(value, str) and key not in ("time", "trace_id", "span_id"):
            event[key] = mask_phone(value) if "+" in value else value
    return event


def _ordered(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    first = {key: event.pop(key) for key in ("level", "message", "time", "service") if key in event}
    return {**first, **event}


def _render(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return msgspec.json.encode(event, enc_hook=_as_text).decode()


def _as_text(value: Any) -> str:
    return str(value)
