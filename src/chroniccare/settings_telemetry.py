"""What an operator may change about metrics and traces: a part of `settings.Settings`."""

from typing import Annotated

from pydantic import BaseModel, Field


class TelemetrySettings(BaseModel):
    """Where metrics and traces go; nothing is measured while both are empty."""

    otlp_url: Annotated[
        str,
        Field(
            pattern=r"^$|^https?://[^\s?#]+$",
            description="Address of an OpenTelemetry collector (OTLP over HTTP, such as "
            "`http://127.0.0.1:4318`) to which traces and metrics are sent. Empty: none are.",
        ),
    ] = ""
    otlp_sample: Annotated[
        float,
        Field(ge=0, le=1, description="Share of the requests that are traced, of those that "
              "arrive without a decision of their caller's."),
    ] = 0.1  # fmt: skip
    metrics_listen: Annotated[
        str,
        Field(
            pattern=r"^$|^[^\s:]+:\d{1,5}$",
            description="Where each process answers `/metrics` for Prometheus, such as "
            "`127.0.0.1:9464`. Each takes the first free port of the sixteen from there on. No key "
            "is asked for, so it must not be open to the world. Empty: nowhere.",
        ),
    ] = ""
