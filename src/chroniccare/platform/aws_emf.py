"""Metrics of CloudWatch in its embedded format: a line of JSON in a function's log, no call.

<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
"""

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson


def document(
    namespace: str, dimensions: Mapping[str, str], metrics: Mapping[str, tuple[float, str]],
    at: datetime,
) -> dict[str, Any]:  # fmt: skip
    """Return the line for these metrics, each a value and a unit of CloudWatch's."""
    return {
        "_aws": {
            "Timestamp": int(at.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": namespace,
                    "Dimensions": [list(dimensions)],
                    "Metrics": [
                        {"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()
                    ],
                }
            ],
        },
        **dimensions,
        **{name: value for name, (value, _) in metrics.items()},
    }


def emit(line: Mapping[str, Any]) -> None:
    """Write the line where Lambda takes logs from."""
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()
