"""Traces that nobody records cost no span."""

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, TraceIdRatioBased

from libs.telemetry.tracing import ForeseenIds, is_untraced, traceparent_of, unrecorded

TRACES = 400


def test_a_trace_is_judged_once_and_then_begun_or_left() -> None:
    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(0.5)), id_generator=ForeseenIds())
    tracer = provider.get_tracer("test")
    begun, left = set(), set()
    for _ in range(TRACES):
        traceparent = unrecorded("webhook", provider=provider)
        if traceparent:
            left.add(traceparent)
        else:
            begun.add(traceparent_of(tracer.start_span("webhook")))

    assert TRACES == len(begun) + len(left)
    # Judged twice, a quarter of them would be recorded.
    assert 140 < len(begun) < 260
    assert not any(map(is_untraced, begun))
    assert all(map(is_untraced, left))


def test_whether_a_trace_is_recorded_is_one_bit_of_its_flags() -> None:
    ids = f"00-{'a' * 32}-{'b' * 16}"

    assert [True, False, True, False] == [is_untraced(f"{ids}-0{flags}") for flags in range(4)]
    assert not is_untraced("")


def test_without_a_provider_of_ours_nothing_is_judged() -> None:
    assert "" == unrecorded("webhook", provider=TracerProvider(sampler=ALWAYS_OFF))
