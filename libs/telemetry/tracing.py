"""Spans: our own, and a tracer for instrumentations that keeps exception texts out of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes, AttributeValue

_NAME = "callplane"
_W3C = TraceContextTextMapPropagator()
# A stand-in that finds the provider once one is set up; asking each time would cost more than a span.
_tracer = trace.get_tracer(_NAME)


def tracer() -> trace.Tracer:
    return _tracer


def meter() -> metrics.Meter:
    return metrics.get_meter(_NAME)


def current_traceparent() -> str:
    """The W3C header of the current span; empty outside of a trace."""
    return traceparent_of(trace.get_current_span())


def traceparent_of(one: Span) -> str:
    """The W3C header of a span; empty if it belongs to no trace."""
    context = one.get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def is_untraced(traceparent: str) -> bool:
    """Whether somebody has decided that this trace is not recorded; then there is nothing to add to it."""
    # The lowest bit of the flags; others of them may be set.
    return traceparent[-3:-1] == "-0" and traceparent[-1] in "02468ace"


class span(AbstractContextManager[Span]):  # noqa: N801  it is used as a function
    """A current span. `traceparent`, if there is one, is its parent instead of the current span; `links` are
    traceparents too. An exception marks the span with the exception's type and passes; its text is not
    recorded.

    Not made of generators, because every webhook has one.
    """

    __slots__ = ("_attributes", "_kind", "_links", "_name", "_span", "_token", "_traceparent")

    def __init__(
        self,
        name: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, AttributeValue] | None = None,
        traceparent: str | None = None,
        links: Iterable[str] = (),
    ) -> None:
        self._name = name
        self._kind = kind
        self._attributes = attributes
        self._traceparent = traceparent
        self._links = links

    def __enter__(self) -> Span:
        self._span = started = start_span(
            self._name, kind=self._kind, attributes=self._attributes, traceparent=self._traceparent
        )
        if started.is_recording():
            for text in self._links:
                if (linked := _span_context(text)).is_valid:
                    started.add_link(linked)
        self._token = attach(trace.set_span_in_context(started))
        return started

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        detach(self._token)
        if isinstance(error, Exception):
            mark_failed(self._span, type(error).__qualname__)
        self._span.end()


def start_span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, AttributeValue] | None = None,
    traceparent: str | None = None,
) -> Span:
    """A span that is not made current and that the caller ends."""
    return tracer().start_span(
        name,
        context=_context(traceparent) if traceparent else None,
        kind=kind,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    )


def unrecorded(
    name: str, *, kind: SpanKind = SpanKind.INTERNAL, provider: trace.TracerProvider | None = None
) -> str:
    """The traceparent of a new trace that nobody records, without any span; empty if it is to be recorded or
    nothing is set up. A span that is started next belongs to the trace that was judged here."""
    provider = provider or trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider) or not isinstance(provider.id_generator, ForeseenIds):
        return ""
    ids = provider.id_generator
    if provider.sampler.should_sample(None, ids.foresee(), name, kind).decision is not Decision.DROP:
        return ""
    return f"00-{ids.generate_trace_id():032x}-{ids.generate_span_id():016x}-00"


class ForeseenIds(RandomIdGenerator):
    """Ids of traces that can be seen before the trace begins."""

    def __init__(self) -> None:
        self._next = 0

    def foresee(self) -> int:
        self._next = self._next or super().generate_trace_id()
        return self._next

    def generate_trace_id(self) -> int:
        foreseen, self._next = self._next, 0
        return foreseen or super().generate_trace_id()


def mark_failed(failed: Span, error_type: str) -> None:
    failed.set_attribute("error.type", error_type)
    failed.set_status(Status(StatusCode.ERROR))


def _context(traceparent: str) -> Context:
    return _W3C.extract({"traceparent": traceparent}, context=Context())


def _span_context(traceparent: str) -> SpanContext:
    return trace.get_current_span(_context(traceparent)).get_span_context()


# Every transaction has them, and they say no more than the statements between them.
_FRAME_STATEMENTS = frozenset({"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE"})


class WithoutNoise(Sampler):
    """Drops SQL and HTTP spans that would be a trace of their own, because polling loops would bury
    everything else, and the spans of a transaction's frame."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(  # noqa: PLR0917  the signature is the SDK's
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        if kind is SpanKind.CLIENT and attributes and _is_noise(parent_context, name, attributes):
            return SamplingResult(Decision.DROP)
        return self._sampler.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        return f"WithoutNoise({self._sampler.get_description()})"


def _is_noise(parent_context: Context | None, name: str, attributes: Mapping[str, AttributeValue]) -> bool:
    is_query = "db.system.name" in attributes
    if is_query and name.rstrip(";") in _FRAME_STATEMENTS:
        return True
    orphan = not trace.get_current_span(parent_context).get_span_context().is_valid
    return orphan and (is_query or "http.request.method" in attributes)


class QuietTracerProvider(trace.TracerProvider):
    """For instrumentations: their spans tell that something failed, not in which words.

    Texts of database errors quote values of rows, those of HTTP errors quote URLs.
    """

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,
    ) -> trace.Tracer:
        provider = trace.get_tracer_provider()
        return _QuietTracer(
            provider.get_tracer(instrumenting_module_name, instrumenting_library_version, schema_url)
        )


class _QuietTracer(trace.Tracer):
    def __init__(self, loud: trace.Tracer) -> None:
        self._loud = loud

    def start_span(self, name: str, *args: Any, **kwargs: Any) -> Span:
        return self._loud.start_span(name, *args, **_quiet(kwargs))

    # OpenTelemetry wraps the method in a decorator class of its own that no override can name.
    @contextmanager
    def start_as_current_span(  # type: ignore[override]
        self, name: str, *args: Any, **kwargs: Any
    ) -> Iterator[Span]:
        with self._loud.start_as_current_span(name, *args, **_quiet(kwargs)) as started:
            yield started


def _quiet(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {**kwargs, "record_exception": False, "set_status_on_exception": False}
