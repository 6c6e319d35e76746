"""Signed heads of the audit's chains, exported to a directory: what shows that a tail was cut.

One line of JSON for each head, only ever appended to `heads.jsonl`: tenant, seq, hash (hex), at and
an ed25519 signature (base64) of the other four. The public key stands beside it as `head.pub`.
"""

import asyncio
import base64
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from chroniccare.audit import queries_seals
from chroniccare.audit.rules import Head
from chroniccare.core.caller import system
from chroniccare.platform import key_file
from chroniccare.platform.key_file import PrivateKey, PublicKey
from chroniccare.platform.postgres import begin
from chroniccare.settings import Settings
from chroniccare.tenancy.actions import list_tenants

FILE = "heads.jsonl"
PUBLIC = "head.pub"
_KEY = "head.key"
_FIRST_S = 1.0


class BadHead(Exception):  # noqa: N818  what it is, not what happened
    """A line is no head, or not as it was signed."""


async def run(settings: Settings, *, stop: asyncio.Event) -> None:
    """Export the heads that moved, again and again until `stop`."""
    told: dict[UUID, int] = {}
    while not stop.is_set():
        await export(settings, told)
        # Nothing is sealed yet when a fresh clinic starts.
        pause = settings.audit_head_seconds if told else _FIRST_S
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)


async def export(settings: Settings, told: dict[UUID, int]) -> int:
    """Append the head of each chain that is longer than `told`; return how many moved.

    Raises:
        BadKeyFile: the key cannot be used.
        OSError: the directory cannot be written.
    """
    found = [head for head in await _heads() if head.seq > told.get(head.tenant_id, 0)]
    if found:
        await asyncio.to_thread(_append, settings, found)
        told.update({head.tenant_id: head.seq for head in found})
    return len(found)


async def export_one(settings: Settings, tenant_id: UUID) -> Head | None:
    """Append the head of one chain and return it; see `export`."""
    found = await _head(tenant_id)
    if found is not None:
        await asyncio.to_thread(_append, settings, [found])
    return found


async def _heads() -> list[Head]:
    found = [await _head(tenant.id) for tenant in await list_tenants()]
    return [head for head in found if head is not None]


async def _head(tenant_id: UUID) -> Head | None:
    async with begin(system(tenant_id, job="audit-heads")) as tx:
        last = await tx.one(queries_seals.LAST)
        return None if last is None else Head(tenant_id, last.seq, last.hash, tx.now)


def signer(settings: Settings) -> PrivateKey:
    """Return the key that signs heads, made at first use; its public half stands beside them.

    Raises:
        BadKeyFile: the key cannot be used.
        OSError: the directory cannot be written.
    """
    directory = Path(settings.audit_heads_dir)
    key = key_file.private_key(Path(settings.audit_key_file or directory / _KEY))
    key_file.export_public(key, directory / PUBLIC)
    return key


def _append(settings: Settings, found: Iterable[Head]) -> None:
    directory, key = Path(settings.audit_heads_dir), signer(settings)
    lines = b"".join(line(key, head) for head in found)
    descriptor = os.open(directory / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as file:
        # Several workers share the file over NFS, where an append of two machines is not atomic.
        fcntl.lockf(file, fcntl.LOCK_EX)
        file.write(lines)
        file.flush()
        os.fsync(descriptor)


def line(key: PrivateKey, head: Head) -> bytes:
    """Return the line of one head, signed."""
    fields = _fields(head)
    signature = base64.b64encode(key.sign(orjson.dumps(fields))).decode()
    return orjson.dumps({**fields, "signature": signature}) + b"\n"


def _fields(head: Head) -> dict[str, Any]:
    return {
        "tenant": str(head.tenant_id),
        "seq": head.seq,
        "hash": head.hash.hex(),
        "at": head.at.isoformat(),
    }


def read(key: PublicKey, text: bytes) -> Head:
    """Return the head in a line.

    Raises:
        BadHead: there is none, or `key` did not sign it.
    """
    try:
        told = orjson.loads(text)
        head = Head(
            UUID(told["tenant"]), int(told["seq"]), bytes.fromhex(told["hash"]),
            datetime.fromisoformat(told["at"]),
        )  # fmt: skip
        signature = base64.b64decode(told["signature"], validate=True)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BadHead from None
    if not key_file.is_signed(key, signature, orjson.dumps(_fields(head))):
        raise BadHead
    return head


def of_tenant(path: Path, tenant_id: UUID) -> dict[int, Head]:
    """Return the heads of one tenant in a file, by number; none if there is no file.

    Raises:
        BadKeyFile, OSError: as `read_file`.
    """
    if not path.exists():
        return {}
    found = [one for one in read_file(path) if isinstance(one, Head)]
    return {one.seq: one for one in found if one.tenant_id == tenant_id}


def read_file(path: Path, public: Path | None = None) -> Iterator[Head | int]:
    """Yield each head of a file, or the number of a line that is none.

    Raises:
        BadKeyFile: what stands in `public` (default: beside the file) is no public key.
        OSError: a file cannot be read.
    """
    key = key_file.public_key(public or path.with_name(PUBLIC))
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            try:
                yield read(key, text)
            except BadHead:
                yield number
