"""Sends what `platform.meters` measures and traces where the settings say.

Loaded only when they name a place: OpenTelemetry's SDK takes a third of a second.
"""

import logging
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from wsgiref.simple_server import WSGIServer

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from prometheus_client import start_http_server

from chroniccare import __version__
from chroniccare.core.errors import Unavailable
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import database
from chroniccare.settings import Settings, SettingsError

log = logging.getLogger(__name__)

_PORTS = 16
_CALL_S = 2.0
"""A collector that does not answer must not hold up the end of the process."""
_FLUSH_MS = 3000


@contextmanager
def opened(settings: Settings, service: str) -> Iterator[None]:
    """Measure and trace until the end; `service` is what the process calls itself.

    Raises:
        SettingsError: `metrics_listen` cannot be listened on.
    """
    resource = Resource.create(
        {
            "service.name": service,
            "service.version": __version__,
            "service.instance.id": str(new_id()),
        }
    )
    with _no_signals():
        readers = list(_readers(settings))
        meters = MeterProvider(readers, resource, shutdown_on_exit=False)
        tracers = _tracers(settings, resource)
        serving = _serving(settings.metrics_listen)
    metrics.set_meter_provider(meters)
    metrics.get_meter("chroniccare").create_observable_gauge(
        "chroniccare.postgres.connections",
        [_connections],
        unit="{connection}",
        description="Connections of this process to PostgreSQL: in use, idle, and at most.",
    )
    try:
        yield
    finally:
        if serving is not None:
            server, thread = serving
            server.shutdown()
            server.server_close()
            thread.join()
        if tracers is not None:
            tracers.shutdown()
        meters.shutdown(timeout_millis=_FLUSH_MS)


@contextmanager
def _no_signals() -> Iterator[None]:
    """Have the threads that are started inside get no signals.

    They are for the main thread: the server waits in code that is not Python's, and never hears of
    one that another thread was given.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _connections(_: metrics.CallbackOptions) -> Iterable[metrics.Observation]:
    try:
        held = database()
    except Unavailable:  # not open yet, or not any more
        return
    idle = held.pool.get_idle_size() + len(held.idle)
    counts = {"used": held.pool.get_size() - idle, "idle": idle, "most": held.pool.get_max_size()}
    for state, count in counts.items():
        yield metrics.Observation(count, {"state": state})


def _readers(settings: Settings) -> Iterable[MetricReader]:
    if settings.otlp_url:
        to = settings.otlp_url.rstrip("/") + "/v1/metrics"
        yield PeriodicExportingMetricReader(OTLPMetricExporter(to, timeout=_CALL_S))
    if settings.metrics_listen:
        yield PrometheusMetricReader()


def _tracers(settings: Settings, resource: Resource) -> TracerProvider | None:
    if not settings.otlp_url:
        return None
    sampler = ParentBased(TraceIdRatioBased(settings.otlp_sample))
    tracers = TracerProvider(sampler, resource, shutdown_on_exit=False)
    to = settings.otlp_url.rstrip("/") + "/v1/traces"
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(to, timeout=_CALL_S)))
    trace.set_tracer_provider(tracers)
    return tracers


def _serving(listen: str) -> tuple[WSGIServer, Thread] | None:
    """Answer /metrics on the first port that no other process of ours has."""
    if not listen:
        return None
    host, _, first = listen.rpartition(":")
    for port in range(int(first), int(first) + _PORTS):
        try:
            serving = start_http_server(port, host)
        except OSError:
            continue
        log.info("metrics", extra={"port": port, "pid": os.getpid()})
        return serving
    raise SettingsError(f"CHRONICCARE_METRICS_LISTEN: none of {_PORTS} ports from {listen} is free")
