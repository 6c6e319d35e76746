"""A worker of the API is stopped when the one that replaces it answers."""

import multiprocessing
import os
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any
from unittest.mock import Mock

import pytest
from starlette.types import Message

from chroniccare.commands.replacing import Replacing, Telling

_TARGET = "tests.platform.test_replacing:_factory"


def _factory() -> Any:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        await send({"type": "lifespan.startup.complete"})

    return application


def _start(to: Connection, after_s: float, *, dies: bool) -> None:
    time.sleep(after_s)
    if not dies:
        to.send(os.getpid())
        time.sleep(60)


@dataclass
class Worker:
    """A worker that starts in its own time, and notes when it was stopped."""

    inner: Any
    stopped: list[float] = field(default_factory=list)

    def start(self) -> None:
        self.inner.start()

    def terminate(self) -> None:
        self.stopped.append(time.monotonic())
        self.inner.terminate()

    def join(self, timeout: float | None = None) -> None:
        self.inner.join(timeout)

    def is_alive(self) -> bool:
        return bool(self.inner.is_alive())


@pytest.mark.parametrize(("after_s", "dies", "at_most_s"), [(0.6, False, 9), (0.1, True, 9)])
def test_the_old_worker_goes_on_until_the_new_one_answers_or_is_gone(
    monkeypatch: pytest.MonkeyPatch, after_s: float, dies: bool, at_most_s: float
) -> None:
    server: Any = Replacing("app", workers=1)
    context = multiprocessing.get_context("fork")

    def made(after: float, *, dies: bool = False) -> Worker:
        return Worker(
            context.Process(target=_start, args=(server._to, after), kwargs={"dies": dies})
        )

    old, new = made(0), made(after_s, dies=dies)
    old.start()
    server.wrks = [old]
    monkeypatch.setattr(server, "_spawn_worker", Mock(return_value=new))
    began = time.monotonic()
    try:
        server._respawn_workers([0], Mock(), Mock(), delay=30.0)
        assert server.wrks == [new]
        assert after_s <= old.stopped[0] - began < at_most_s
        assert (old.is_alive(), new.stopped) == (False, [])
    finally:
        new.terminate()
        new.join()


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
