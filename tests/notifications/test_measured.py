"""Metrics and traces as Prometheus and a collector get them, from real processes."""

import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from benchmarks.stage import server
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from chroniccare.settings import Settings, values_of, variable
from tests.e2e.process import clean_environment, wait_for
from tests.notifications.support import Bench

NAMES = (
    "database_url",
    "redis_url",
    "key_pepper",
    "master_key_file",
    "tenant_key_dirs",
    "log_level",
)
ROOT = Path(__file__).parents[2]
PAGES = ("deploy/monitoring/alerts.yaml", "deploy/monitoring/dashboard.json", "docs/telemetry.md")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@dataclass(slots=True)
class Collector:
    """An OpenTelemetry collector on loopback that keeps what it gets."""

    url: str
    traces: list[Any] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)

    def spans(self) -> list[Any]:
        return [
            span
            for request in list(self.traces)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            kept.raw.append(body)
            if self.path == "/v1/traces":
                kept.traces.append(ExportTraceServiceRequest.FromString(body))
            else:
                kept.metrics.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept = Collector(f"http://127.0.0.1:{made.server_address[1]}")
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    try:
        yield kept
    finally:
        made.shutdown()
        made.server_close()
        thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(settings: Settings, **more: str) -> dict[str, str]:
    given = {variable(name): values_of(settings, name) for name in NAMES}
    return clean_environment(**given, **more)


def scrape(port: int) -> str:
    return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text


def scraped(port: int) -> str | None:
    """Return what is served at this port; None as long as nothing is."""
    try:
        return scrape(port)
    except httpx.TransportError:
        return None


def sent_after(port: int) -> str | None:
    """Return what is served behind this port, which is taken, once a message was sent.

    At the next port as a rule, later where something else on this machine has that one.
    """
    pages = (scraped(port + step) for step in range(1, 16))
    return next((text for text in pages if text and "chroniccare_messages_total{" in text), None)


def labels(text: str, name: str) -> list[dict[str, str]]:
    """Return the labels of every series called `name`."""
    found = re.findall(rf"^{name}\{{(.*)\}} ", text, re.MULTILINE)
    return [dict(re.findall(r'(\w+)="([^"]*)"', one)) for one in found]


def ask(port: int, patient_id: str, key: dict[str, str]) -> None:
    url = f"http://127.0.0.1:{port}/api/v1/patients"
    traced = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    answers = [
        httpx.get(f"{url}/{patient_id}", headers=key | traced),
        httpx.get(f"{url}?name=Canary", headers=key),
        httpx.get(f"{url}/{patient_id}"),
        httpx.get(f"http://127.0.0.1:{port}/livez"),
        httpx.request("CANARY", f"http://127.0.0.1:{port}/livez"),
    ]
    assert [one.status_code for one in answers] == [200, 200, 401, 200, 405]


async def test_requests_are_measured_and_traced_by_route_alone(
    bench: Bench, settings: Settings
) -> None:
    patient = await bench.clinic.patient(last_name="Canary")
    key = {"Authorization": f"Bearer {bench.clinic.key}"}
    port = free_port()
    with collector() as kept:
        given = environment(
            settings,
            CHRONICCARE_OTLP_URL=kept.url,
            CHRONICCARE_OTLP_SAMPLE="0",
            CHRONICCARE_METRICS_LISTEN=f"127.0.0.1:{port}",
        )
        with server("chroniccare.app:application", given, factory=True) as started:
            await asyncio.to_thread(ask, started.port, patient["id"], key)
            text = await asyncio.to_thread(scrape, port)
            began = time.monotonic()
        assert time.monotonic() - began < 10, "it ends at once when told"
        spans = kept.spans()
    seen = labels(text, "http_server_request_duration_seconds_count")
    routes = {(one["http_route"], one["http_response_status_code"]) for one in seen}
    assert ("/api/v1/patients/{patient_id}", "200") in routes
    assert ("/api/v1/patients/{patient_id}", "401") in routes
    states = {one["state"] for one in labels(text, "chroniccare_postgres_connections")}
    assert states == {"used", "idle", "most"}
    # Of four requests one had a caller who traces.
    requests = [span for span in spans if span.parent_span_id]
    assert [span.name for span in requests] == ["GET /api/v1/patients/{patient_id}"]
    assert requests[0].trace_id.hex() == TRACE
    assert kept.metrics, "what was measured is sent at the end at the latest"
    for told in (text.encode(), *kept.raw):
        for secret in ("Canary", "CANARY", patient["id"], bench.clinic.key):
            assert secret.encode() not in told


async def test_a_worker_measures_its_queue_and_its_loops(bench: Bench, settings: Settings) -> None:
    bench.clock.at = datetime.now(UTC)
    await bench.planned()
    taken, port = socket.socket(), 0
    with taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        given = environment(
            settings,
            CHRONICCARE_METRICS_LISTEN=f"127.0.0.1:{port}",
            CHRONICCARE_OTLP_URL=f"http://127.0.0.1:{free_port()}",  # nobody is there
        )
        started = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "chroniccare.worker", env=given, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            # The port is taken, by another process of ours perhaps: one of the next serves.
            text = await asyncio.to_thread(wait_for, lambda: sent_after(port), "a message is sent")
            started.send_signal(signal.SIGTERM)
            async with asyncio.timeout(15):
                assert await started.wait() == 0
        finally:
            if started.returncode is None:
                started.kill()
                await started.wait()
    assert {one["class"] for one in labels(text, "chroniccare_queue_age_seconds")} == {
        "urgent",
        "normal",
        "bulk",
    }
    sent = labels(text, "chroniccare_messages_total")
    assert {one["outcome"] for one in sent} <= {"accepted", "delivered"}
    loops = {one["loop"] for one in labels(text, "chroniccare_loop_round_duration_seconds_count")}
    assert "holds" in loops


def test_a_place_that_cannot_be_listened_on_ends_it_at_once(settings: Settings) -> None:
    given = environment(settings, CHRONICCARE_METRICS_LISTEN="192.0.2.1:9464")
    process = subprocess.run(
        [sys.executable, "-m", "chroniccare.worker"],
        env=given,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert process.returncode != 0
    assert "CHRONICCARE_METRICS_LISTEN" in process.stderr


EVERY = """
from opentelemetry.metrics import Counter, Histogram
from prometheus_client import REGISTRY, generate_latest
from chroniccare.platform import meters, otel
from chroniccare.settings import Settings

pepper = "a pepper of thirty-two letters, or more"
settings = Settings(key_pepper=pepper, metrics_listen="127.0.0.1:{port}")
with otel.opened(settings, "test"):
    for made in vars(meters).values():
        if isinstance(made, Counter):
            made.add(1)
        elif isinstance(made, Histogram):
            made.record(1)
        elif hasattr(made, "set"):
            made.set(1)
    print(generate_latest(REGISTRY).decode())
"""


def test_what_dashboards_and_alerts_ask_for_is_measured_and_documented() -> None:
    code = EVERY.format(port=free_port())
    told = subprocess.run(
        [sys.executable, "-c", code], env=clean_environment(), capture_output=True, text=True,
        timeout=30, check=True,
    ).stdout  # fmt: skip
    there = set(re.findall(r"^(\w+?)(?:\{.*\})? ", told, re.MULTILINE))
    there.add("chroniccare_postgres_connections")  # the database is not open in that process
    pages = {name: (ROOT / name).read_text(encoding="utf-8") for name in PAGES}
    asked = {
        name: set(re.findall(r"\b(?:chroniccare|http_server)_[a-z_]+", text))
        for name, text in pages.items()
    }
    bare = {re.sub("_(count|bucket|sum)$", "", name) for name in there}
    assert asked["deploy/monitoring/alerts.yaml"] - there == set()
    assert asked["deploy/monitoring/dashboard.json"] - there == set()
    assert asked["docs/telemetry.md"] - there - bare == set()
    ours = {name for name in bare if name.startswith(("chroniccare", "http_server"))}
    assert {name for name in ours if not name.endswith("_created")} <= asked["docs/telemetry.md"]
    named = set(re.findall(r"ChronicCare[A-Z]\w+", pages["deploy/monitoring/alerts.yaml"]))
    assert named == set(re.findall(r"ChronicCare[A-Z]\w+", pages["docs/telemetry.md"]))
    assert len(json.loads(pages["deploy/monitoring/dashboard.json"])["panels"]) > 10


@pytest.mark.parametrize("value", ["9464", "127.0.0.1:", "a b:1"])
def test_a_place_is_a_host_and_a_port(value: str) -> None:
    with pytest.raises(ValueError, match="metrics_listen"):
        Settings(metrics_listen=value)
