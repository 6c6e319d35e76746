"""A worker of the API is stopped when the one that replaces it answers."""

import multiprocessing
import os
import time
from multiprocessing.connection import Connection, wait
from typing import Any
from unittest.mock import Mock

import pytest
from granian.server.mp import WorkerProcess
from starlette.types import Message

from chroniccare.commands.replacing import Replacing, Telling

_TARGET = "tests.platform.test_replacing:_factory"


def _factory() -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await send({"type": "lifespan.startup.complete"})

    return application


def _start(to: Connection, after_s: float, ends: str) -> None:
    time.sleep(after_s)
    if ends != "dies":
        if ends != "is silent":
            to.send(os.getpid())
        time.sleep(60)


def _exchange(
    monkeypatch: pytest.MonkeyPatch, workers: int, after_s: float, ends: str, delay: float
) -> tuple[Any, list[Any], list[Any]]:
    """Replace workers by others; return the server, the old ones and the new ones."""
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda: "fork")
    server: Any = Replacing("app", workers=workers)

    def made(idx: int, after: float, how: str) -> Any:
        process: Any = WorkerProcess
        return process(server, idx, _start, (server._to, after, how))

    server.wrks = [made(idx, 0, "is silent") for idx in range(workers)]
    old, new = list(server.wrks), [made(idx, after_s, ends) for idx in range(workers)]
    for one in old:
        one.start()
    monkeypatch.setattr(server, "_spawn_worker", Mock(side_effect=new))
    server._respawn_workers(list(range(workers)), Mock(), Mock(), delay=delay)
    return server, old, new


def _alive(worker: Any) -> bool:
    """Not `is_alive`, which may say so for a moment of one that the server's watcher has joined."""
    return not wait([worker.inner.sentinel], timeout=0)


def _end(server: Any) -> None:
    for one in server.wrks:
        one.terminate()
        one.join()


def test_the_old_worker_goes_on_until_the_new_one_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began = time.monotonic()
    server, old, new = _exchange(monkeypatch, 1, 0.6, "answers", 30.0)
    try:
        assert server.wrks == new
        assert 0.6 <= time.monotonic() - began < 9
        assert (_alive(old[0]), _alive(new[0])) == (False, True)
        # From now on its end is told, as any worker's.
        new[0].inner.terminate()
        assert server.main_loop_interrupt.wait(9)
        assert server.interrupt_children == [0]
    finally:
        _end(server)


@pytest.mark.parametrize(("ends", "delay"), [("dies", 30.0), ("is silent", 0.5)])
def test_the_old_workers_stay_if_a_new_one_does_not_start(
    monkeypatch: pytest.MonkeyPatch, ends: str, delay: float
) -> None:
    began = time.monotonic()
    server, old, new = _exchange(monkeypatch, 2, 0.1, ends, delay)
    try:
        assert time.monotonic() - began < 9
        assert server.wrks == old
        assert [_alive(one) for one in old] == [True, True]
        assert (_alive(new[0]), new[1].inner.pid) == (False, None)
        # Nothing that the loop of the server would take for a crash, and end.
        assert not server.main_loop_interrupt.wait(0.3)
        assert (server.interrupt_children, server.respawned_wrks) == ([], {})
    finally:
        _end(server)


async def test_a_worker_tells_its_number_when_it_has_started() -> None:
    started, to = multiprocessing.Pipe(duplex=False)
    application = Telling(to)(_TARGET)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await application({"type": "http"}, Mock(), send)
    assert not started.poll()
    await application({"type": "lifespan"}, Mock(), send)
    assert (started.poll(), started.recv()) == (True, os.getpid())
    assert len(sent) == 2
