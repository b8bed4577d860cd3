"""Log lines: JSON, with trace ids and without personal data."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from libs import telemetry
from libs.telemetry import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("calls", level="INFO", stack_traces=False, stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_the_agreed_fields(stream: io.StringIO) -> None:
    context = SpanContext(trace_id=1, span_id=2, is_remote=False, trace_flags=TraceFlags(1))
    with telemetry.bind(org_id="o1", call_id="c1"), trace.use_span(NonRecordingSpan(context)):
        telemetry.logger("test").info("call ended", outcome="HUMAN")

    (line,) = _lines(stream)
    time = line.pop("time")
    assert time.endswith("Z")
    assert line == {
        "level": "info",
        "message": "call ended",
        "service": "calls",
        "org_id": "o1",
        "call_id": "c1",
        "trace_id": f"{1:032x}",
        "span_id": f"{2:016x}",
        "outcome": "HUMAN",
    }


def test_lines_of_libraries_have_the_same_shape(stream: io.StringIO) -> None:
    logging.getLogger("some.package").warning("dialling %s", "+14155551234")

    (line,) = _lines(stream)
    assert (line["level"], line["message"], line["service"]) == ("warning", "dialling +1******1234", "calls")


def test_phone_numbers_are_masked_wherever_they_stand(stream: io.StringIO) -> None:
    telemetry.logger("test").info("sent to +14155551234", to="+33612345678")

    assert "+14155551234" not in stream.getvalue()
    assert "+33612345678" not in stream.getvalue()


@pytest.mark.parametrize("stack_traces", [False, True])
def test_exception_texts_appear_only_with_stack_traces(stream: io.StringIO, stack_traces: bool) -> None:
    logs.configure("calls", level="INFO", stack_traces=stack_traces, stream=stream)
    try:
        raise ValueError("hunter2")
    except ValueError as exc:
        telemetry.logger("test").error("call failed", exc_info=exc)
        logging.getLogger("library").exception("it failed")

    assert ("hunter2" in stream.getvalue()) is stack_traces
    assert stack_traces or all(line["exception_type"] == "ValueError" for line in _lines(stream))


def test_debug_lines_stay_out_at_info(stream: io.StringIO) -> None:
    telemetry.logger("test").debug("detail")

    assert stream.getvalue() == ""
