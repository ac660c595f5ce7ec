"""Spans of B section 8 by OpenTelemetry; nothing of it is imported unless tracing is on."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sink_worker.errors import FatalError
from sink_worker.settings import TracingSettings

if TYPE_CHECKING:
    from opentelemetry.trace import Link


class NoSpan:
    """What is yielded while tracing is off."""

    def set_attribute(self, name: str, value: Any) -> None:
        """Nothing."""


class Tracing:
    """Off unless it was set up."""

    def __init__(self) -> None:
        self._tracer: Any = None
        self._links = 0

    def set_up(self, settings: TracingSettings, worker_id: str) -> None:
        """Export to the collector that is set. FatalError when the extra is not installed."""
        if not settings.enabled:
            return
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # type: ignore[import-not-found,unused-ignore]
                OTLPSpanExporter,
            )
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise FatalError(f"tracing.enabled: {error.name} is not installed; install cdc-sink-worker[tracing]") from error
        provider = TracerProvider(resource=Resource.create({"service.name": "sink-worker", "service.instance.id": worker_id}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint)))
        self._tracer = trace.get_tracer("sink_worker", tracer_provider=provider)
        self._links = settings.links_per_batch

    @contextlib.contextmanager
    def span(self, name: str, links: Sequence["Link"] = (), **attributes: Any) -> Iterator[Any]:
        """A span around the block."""
        if self._tracer is None:
            yield _NO_SPAN
            return
        with self._tracer.start_as_current_span(name, links=links, attributes=attributes) as span:
            yield span

    def links(self, messages: Sequence[Any]) -> list["Link"]:
        """Links to the traces that events of a batch belong to, by their W3C ``traceparent`` headers. A trace that nobody keeps
        is not linked to."""
        if self._tracer is None or self._links == 0:
            return []
        from opentelemetry.trace import Link, get_current_span
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        found: list[Link] = []
        propagator = TraceContextTextMapPropagator()
        for message in messages:
            carrier = {name: value.decode(errors="replace") for name, value in message.headers() or [] if value is not None}
            if "traceparent" in carrier:
                context = get_current_span(propagator.extract(carrier)).get_span_context()
                if context.is_valid and context.trace_flags.sampled:
                    found.append(Link(context))
            if len(found) == self._links:
                break
        return found


_NO_SPAN = NoSpan()
