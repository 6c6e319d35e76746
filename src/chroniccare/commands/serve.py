"""The API alone: Granian and its workers."""

import errno
import multiprocessing
import os
import socket
from typing import Any

from granian.constants import Interfaces, Loops
from granian.log import LogLevels

from chroniccare.commands import lifeline
from chroniccare.commands.replacing import Replacing
from chroniccare.settings import Settings, SettingsError

_DRAIN_S = 15
_START_S = 120.0
"""How long a new worker (SIGHUP) is waited for before it is given up and the old one stays; it
needs 2 s on a quiet machine, and more than 10 s on one with much else to do."""
_PORTS_TRIED = 100
_LAST_PORT = 65535
_NOT_HERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}

_LINE = {"()": "chroniccare.platform.telemetry.JsonFormatter"}
_HANDLER = {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"}
_LOGGING: dict[str, Any] = {
    "formatters": {"generic": _LINE, "access": _LINE},
    "handlers": {"console": _HANDLER, "access": _HANDLER},
}


def serve(settings: Settings, environment: dict[str, str], *, with_stdin: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first.

    On SIGHUP each worker is replaced by a new one: the others go on, and the old one itself until
    the new one answers. If a new one does not start, those that are not yet replaced stay.

    Raises:
        SettingsError: something else listens on the port.
    """
    if not is_free(settings.host, settings.port):
        raise SettingsError(f"port {settings.port} is taken: pass another --port")
    os.environ.update(environment)
    if with_stdin:
        lifeline.end_with_stdin()
    multiprocessing.set_start_method("spawn", force=True)  # not fork: this process has threads
    Replacing(
        "chroniccare.commands.api_worker:application",
        address=numeric(settings.host),
        port=settings.port,
        workers=settings.workers,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        websockets=False,
        factory=True,
        log_dictconfig=_LOGGING,
        log_level=LogLevels.info,
        respawn_failed_workers=True,
        respawn_interval=_START_S,
        workers_kill_timeout=_DRAIN_S,
    ).run()


def numeric(host: str) -> str:
    """Return the numeric address of `host`, the only form Granian takes.

    Raises:
        SettingsError: there is no such name.
    """
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise SettingsError("the host is not an address of this machine") from None
    return str(found[0][4][0])


def is_free(host: str, port: int) -> bool:
    """Say whether nothing listens on the port; Granian itself would share it unnoticed.

    Raises:
        SettingsError: this machine has no such address, or this account may not listen there.
    """
    address = numeric(host)
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except PermissionError:
            raise SettingsError(f"this account may not listen on port {port}") from None
        except OSError as error:
            if error.errno in _NOT_HERE:
                raise SettingsError("the host is not an address of this machine") from None
            return False
    return True


def free_port(host: str, port: int) -> int:
    """Return `port`, or the next one that nothing listens on.

    Raises:
        SettingsError: the next hundred are taken too.
    """
    for candidate in range(port, min(port + _PORTS_TRIED, _LAST_PORT + 1)):
        if is_free(host, candidate):
            return candidate
    raise SettingsError(f"port {port} and those after it are taken: pass another --port")
