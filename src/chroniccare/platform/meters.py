"""What is measured, and what is traced: every instrument stands here.

They are OpenTelemetry's. As long as `platform.otel` has not been opened they do nothing. Labels are
names of the code's own (routes, channels, outcomes, loops): never an id, an address or a value.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import metrics, trace

_meter = metrics.get_meter("chroniccare")

tracer = trace.get_tracer("chroniccare")
"""Start spans with `record_exception=False`: an exception's text may hold values."""

_TO_A_MINUTE = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

requests = _meter.create_histogram(
    "http.server.request.duration",
    unit="s",
    description="Requests that were answered, by method, route and status.",
    explicit_bucket_boundaries_advisory=_TO_A_MINUTE,
)
calls = _meter.create_histogram(
    "chroniccare.provider.call.duration",
    unit="s",
    description="Calls of providers of messages, by channel, driver and outcome.",
    explicit_bucket_boundaries_advisory=_TO_A_MINUTE,
)
messages = _meter.create_counter(
    "chroniccare.messages",
    unit="{message}",
    description="Attempts whose outcome was recorded, by channel, driver and outcome.",
)
webhooks = _meter.create_histogram(
    "chroniccare.webhook.call.duration",
    unit="s",
    description="Calls of webhooks, by outcome.",
    explicit_bucket_boundaries_advisory=_TO_A_MINUTE,
)
rounds = _meter.create_histogram(
    "chroniccare.loop.round.duration",
    unit="s",
    description="What a loop did for one clinic, by loop and outcome.",
    explicit_bucket_boundaries_advisory=_TO_A_MINUTE,
)
failures = _meter.create_counter(
    "chroniccare.loop.failures",
    unit="{failure}",
    description="Loops that failed and were started again, by loop and kind.",
)
cached = _meter.create_counter(
    "chroniccare.cache.lookups",
    unit="{lookup}",
    description="Records and pages looked for in the cache, found or not.",
)
queue_age = _meter.create_gauge(
    "chroniccare.queue.age",
    unit="s",
    description="How long the oldest message that is due has been due, by class.",
)
queue_measured = _meter.create_gauge(
    "chroniccare.queue.measured",
    unit="s",
    description="When the queue was measured last, in seconds since 1970.",
)
queue_waiting = _meter.create_gauge(
    "chroniccare.queue.waiting",
    unit="{message}",
    description="Messages that are due, by class; of one clinic at most a thousand are counted.",
)


@contextmanager
def measured(histogram: metrics.Histogram, span: str, **labels: str) -> Iterator[dict[str, str]]:
    """Measure and trace what is done inside; more labels may be put into what this yields.

    An outcome is said of each: `done` or `failed`, unless a label says another.
    """
    started, labels["outcome"] = time.perf_counter(), "failed"
    with tracer.start_as_current_span(span, record_exception=False, set_status_on_exception=False):
        try:
            yield labels
            if labels["outcome"] == "failed":
                labels["outcome"] = "done"
        finally:
            histogram.record(time.perf_counter() - started, labels)
            trace.get_current_span().set_attributes(labels)
