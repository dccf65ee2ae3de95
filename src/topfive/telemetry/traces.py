"""Traces by OpenTelemetry: one span for a request, one for each of its stages.

A request's trace goes on where its caller's ended (W3C Trace Context). Stages are written when the
request is over, from the times that were taken anyway: nothing is done for them on the way.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import time_ns
from typing import Any, Protocol

from topfive.errors import OperatorError

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of a request's time, by when it began after the request did."""

    name: str
    began_ms: float
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Caller:
    """What a `traceparent` header says of the caller: two ids in hex and flags."""

    trace_id: str
    span_id: str
    flags: int


def parse_traceparent(header: str) -> Caller | None:
    """Read a `traceparent` header; None if there is none that makes sense.

    Source: https://www.w3.org/TR/trace-context/#traceparent-header
    """
    found = _TRACEPARENT.fullmatch(header.strip())
    if not found or not int(found[1], 16) or not int(found[2], 16):
        return None
    return Caller(found[1], found[2], int(found[3], 16))


class Trace(Protocol):
    """One request's part of a trace."""

    @property
    def trace_id(self) -> str:
        """The trace's id in hex; empty without one."""

    @property
    def header(self) -> str:
        """The `traceparent` that names this part; empty where it is not traced."""

    def finish(self, name: str, fields: Mapping[str, str | int], stages: Sequence[Stage]) -> None:
        """Write the request's span with `fields`, and one for each stage."""


class Traces(Protocol):
    """Where traces go."""

    def begin(self, traceparent: str, age_s: float = 0.0) -> Trace:
        """Begin a request's part of the trace that its caller names, or of a new one.

        The request came `age_s` seconds ago.
        """


@dataclass(frozen=True, slots=True)
class UntracedRequest:
    """A request of which only the caller's trace id is known, if that."""

    trace_id: str = ""
    header: str = ""

    def finish(self, name: str, fields: Mapping[str, str | int], stages: Sequence[Stage]) -> None:
        """Do nothing."""


_UNTRACED = UntracedRequest()


class NoTraces:
    """Stands in where no traces are sent: the caller's trace id still reaches the log."""

    def begin(self, traceparent: str, _age_s: float = 0.0) -> Trace:
        """Keep the caller's trace id."""
        caller = parse_traceparent(traceparent) if traceparent else None
        return UntracedRequest(caller.trace_id) if caller else _UNTRACED


def open_traces(endpoint: str, version: str) -> Traces:
    """Send traces to an OTLP endpoint; raises OperatorError if the extra is not installed."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise OperatorError(
            "Traces need OpenTelemetry: install requirements-tracing.txt, or leave "
            "OTEL_EXPORTER_OTLP_ENDPOINT empty."
        ) from error
    provider = TracerProvider(resource=_name_service(Resource.create(), version))
    exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return OpenTelemetryTraces(provider.get_tracer("topfive", version))


def _name_service(resource: Any, version: str) -> Any:
    """Call the service topfive, unless OTEL_SERVICE_NAME calls it something else."""
    named = {"service.version": version}
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        named["service.name"] = "topfive"
    return resource.merge(type(resource)(named))


class OpenTelemetryTraces:
    """Writes spans with an OpenTelemetry tracer."""

    def __init__(self, tracer: Any) -> None:
        from opentelemetry import trace  # noqa: PLC0415

        self._api = trace
        self._tracer = tracer

    def begin(self, traceparent: str, age_s: float = 0.0) -> Trace:
        """Begin the request's span below the caller's, `age_s` seconds ago."""
        began_ns = time_ns() - int(age_s * _NS_PER_S)
        span = self._tracer.start_span(
            "request",
            context=self._below(parse_traceparent(traceparent)),
            kind=self._api.SpanKind.SERVER,
            start_time=began_ns,
        )
        return TracedRequest(self._api, self._tracer, span, began_ns)

    def _below(self, caller: Caller | None) -> Any:
        if caller is None:
            return None
        context = self._api.SpanContext(
            int(caller.trace_id, 16),
            int(caller.span_id, 16),
            is_remote=True,
            trace_flags=self._api.TraceFlags(caller.flags),
        )
        return self._api.set_span_in_context(self._api.NonRecordingSpan(context))


class TracedRequest:
    """A request whose span is under way."""

    def __init__(self, api: Any, tracer: Any, span: Any, began_ns: int) -> None:
        context = span.get_span_context()
        self.trace_id = f"{context.trace_id:032x}"
        self.header = f"00-{self.trace_id}-{context.span_id:016x}-{context.trace_flags:02x}"
        self._api = api
        self._tracer = tracer
        self._span = span
        self._began_ns = began_ns

    def finish(self, name: str, fields: Mapping[str, str | int], stages: Sequence[Stage]) -> None:
        """Write the request's span with `fields`, and one for each stage."""
        inside = self._api.set_span_in_context(self._span)
        for stage in stages:
            began_ns = self._began_ns + int(stage.began_ms * _NS_PER_MS)
            child = self._tracer.start_span(stage.name, context=inside, start_time=began_ns)
            child.end(began_ns + int(stage.duration_ms * _NS_PER_MS))
        self._span.update_name(name)
        self._span.set_attributes(dict(fields))
        self._span.end()
