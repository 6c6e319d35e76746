"""A process that has imported everything and forks workers: they are up in a moment, when killed.

Orders come as lines of JSON on standard input, news go out the same way: `born`, `stopped`,
`ended`. A worker is `chroniccare.worker` as it is, with shorter leases and pauses, and with a point
at which it dies.
"""

import asyncio
import gc
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from chroniccare import worker
from chroniccare.notifications import delivery, dispatch, preparing, relay, rules
from chroniccare.notifications.channels import by_aws, email, email_ses, selftest, sms_aws, sms_sns
from chroniccare.notifications.receipts import applying
from chroniccare.notifications.receipts import loop as receipts
from chroniccare.platform import aws, mail
from chroniccare.platform.telemetry import configure_logging
from chroniccare.settings import load
from tests.chaos.messages.points import Trigger, arm

LEASE_S = 4.0
"""In place of a minute; a call takes 2 s at most, in place of 14."""
_CALL_S = 2.0
_BATCH = 50
_DRIVERS = (email_ses, sms_aws, sms_sns)  # imported here, so that no child has to
_SERVICES = ("pinpoint-sms-voice-v2", "sns", "sesv2")


def hasten() -> None:
    """Shorten what would make a run of seconds one of minutes; every ratio stays."""
    preparing.LEASE = dispatch.LEASE = timedelta(seconds=LEASE_S)
    delivery.BATCH, relay._MOST_WAITING = _BATCH, 4 * _BATCH  # a death strands fewer
    aws._CONNECT_S, aws._READ_S = 0.7, 1.0
    by_aws.BUDGET_S = email.BUDGET_S = _CALL_S  # type: ignore[attr-defined]
    mail.CALL_S = 0.8
    rules._BACKOFF_BASE = timedelta(seconds=0.5)
    applying._OURS_FOR = timedelta(seconds=2)
    receipts._RECONCILE_S = 1.0
    worker._RESTART_S = 0.3
    selftest.is_needed = lambda settings: not settings  # the account is not what is tested here


def warm() -> None:
    """Read what the drivers read at their first call."""
    loader = aws.session().get_component("data_loader")
    for service in _SERVICES:
        loader.load_service_model(service, "service-2")
        loader.load_service_model(service, "endpoint-rule-set-1")
    loader.load_data("endpoints")


def main() -> None:
    """Fork workers until standard input ends; then none is left."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever gives the orders
    hasten()
    warm()
    gc.freeze()
    alive: set[int] = set()
    _tell({"event": "ready"})
    try:
        while True:
            for order in _orders():
                if order is None:
                    return
                pid = os.fork()
                if pid == 0:
                    _live(order)
                alive.add(pid)
                _tell({"event": "born", "pid": pid, "name": order["name"]})
            _reap(alive)
    finally:
        for pid in alive:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _orders() -> list[dict[str, Any] | None]:
    """Return the orders that came in a moment; None is the end."""
    ready, _, _ = select.select([sys.stdin.fileno()], [], [], 0.01)
    if not ready:
        return []
    data = os.read(sys.stdin.fileno(), 1_000_000)
    return [orjson.loads(line) for line in data.splitlines()] if data else [None]


def _reap(alive: set[int]) -> None:
    for pid in tuple(alive):
        found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if not found:
            continue
        if os.WIFSTOPPED(status):
            _tell({"event": "stopped", "pid": pid, "at": time.time()})
            continue
        alive.discard(pid)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        _tell({"event": "ended", "pid": pid, "killed": killed, "code": status})


def _tell(news: dict[str, Any]) -> None:
    os.write(sys.stdout.fileno(), orjson.dumps(news) + b"\n")


def _live(order: dict[str, Any]) -> None:
    """Be a worker; never returns."""
    code = 1
    try:
        log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.dup2(log, sys.stderr.fileno())
        os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
        os.environ.update(order["environment"])
        if order["point"]:
            arm(Trigger(order["point"], order["after"], order["freeze"], Path(order["journal"])))
        settings = load().model_copy(update={"doubt_seconds": order["doubt_s"]})
        configure_logging(settings.log_level)
        asyncio.run(_work(lambda stop: worker.run(settings, stop=stop)))
        code = 0
    finally:
        os._exit(code)  # nothing of the parent's is to be cleaned up by a child


async def _work(run: Callable[[asyncio.Event], Any]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run(stop)


if __name__ == "__main__":
    main()
