"""Logs: one JSON object a line on standard error; ids, codes and times, never a patient's data.

Metrics and traces are defined in `meters`, and sent by `otel` where settings say so.
"""

import logging
import sys
import traceback
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime

import orjson

from chroniccare.settings import Settings

_PLAIN = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {
    "message",
    "asctime",
    "taskName",
    "color_message",
}


class JsonFormatter(logging.Formatter):
    """Writes time (UTC), level, logger, message and whatever `extra` names."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line. Of an exception only its type and place: its text may hold values."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update({k: v for k, v in record.__dict__.items() if k not in _PLAIN})
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line["exception"] = type(error).__name__
            frames = traceback.extract_tb(error.__traceback__)[-8:]
            line["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return orjson.dumps(line, default=str).decode()


def configure_logging(level: str) -> None:
    """Send every log line of this process to standard error as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # What these log below a warning holds whole requests, so addresses and texts.
    for name in ("aiormq", "aio_pika", "asyncio", "aiobotocore", "botocore", "aiohttp", "urllib3"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def is_telling(settings: Settings) -> bool:
    """Return whether anything is measured."""
    return bool(settings.otlp_url or settings.metrics_listen)


def telling(settings: Settings, service: str) -> AbstractContextManager[None]:
    """Send metrics and traces until the end, if the settings name a place.

    Raises:
        SettingsError: `metrics_listen` cannot be listened on.
    """
    if not is_telling(settings):
        return nullcontext()
    from chroniccare.platform import otel  # noqa: PLC0415  most run without it

    return otel.opened(settings, service)
