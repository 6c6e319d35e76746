"""The same request twice has one effect and one answer.

The key is claimed by a row in the transaction of the change itself, so key and change stand or
fall together; a second request with the same key waits for the first and then reads its answer.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from chroniccare.core.errors import Invalid, Problem
from chroniccare.platform import opening, sealing
from chroniccare.platform.postgres import Tx
from chroniccare.tenancy import queries

KEPT = timedelta(hours=48)
_MAX_KEY = 255
_BATCH = 500
_BODY = sealing.Column("idempotency_keys.body", "record")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a request answers, apart from the envelope.

    Attributes:
        data: rendered JSON.
        replayed: it is the kept answer of an earlier request.
    """

    status: int
    data: bytes
    headers: dict[str, str] = field(default_factory=dict)
    replayed: bool = False


class IdempotencyMismatch(Problem):
    """The key was used before, with another request."""

    code = "IDEMPOTENCY_MISMATCH"
    status = 422
    message = "This Idempotency-Key was used with a different request."


def fingerprint(
    method: str, path: str, body: bytes, *, scopes: frozenset[str] = frozenset()
) -> bytes:
    """Return 32 bytes that are the same only for the same request by callers of these scopes."""
    head = f"{method} {path}\n{' '.join(sorted(scopes))}\n".encode("utf-8", "surrogateescape")
    return hashlib.blake2b(head + body, digest_size=32).digest()


async def once(
    tx: Tx, *, key: str | None, request: bytes, work: Callable[[], Awaitable[Reply]]
) -> Reply:
    """Do `work` unless `key` has an answer already; `request` is its fingerprint.

    Raises:
        IdempotencyMismatch: the key belongs to another request.
        Conflict: the first request with this key is still at work after two seconds.
    """
    if key is None:
        return await work()
    if not 1 <= len(key) <= _MAX_KEY or not key.isascii() or not key.isprintable():
        raise Invalid.field("Idempotency-Key", "must be 1 to 255 printable ASCII characters")
    claimed = await tx.run(queries.CLAIM_IDEMPOTENCY_KEY, tx.caller.tenant_id, key, request, tx.now)
    if not claimed:
        kept = await tx.one(queries.GET_REPLY, key)
        if kept is None or kept.request_hash != request or kept.status is None:
            raise IdempotencyMismatch
        body = await opened(tx, key, kept.body or b"null")
        return Reply(kept.status, body, kept.headers or {}, replayed=True)
    reply = await work()
    body = (await tx.keyring()).seal(_BODY, key, reply.data)
    await tx.run(queries.STORE_REPLY, key, reply.status, reply.headers, body)
    return reply


async def opened(tx: Tx, key: str, body: bytes) -> bytes:
    """Return the answer kept under `key` in clear."""
    if not sealing.is_sealed_bytes(body):  # kept from before the tenant had keys
        return body
    return await opening.opened(tx, lambda keyring: keyring.unseal(_BODY, key, body))


async def forget_about(tx: Tx, text: str) -> int:
    """Delete kept answers of the transaction's tenant that have `text` in them; return how many.

    Each is opened, for they are sealed: all of two days, and for erasure alone.
    """
    found, after = [], ""
    while batch := await tx.all(queries.KEPT_REPLIES, after, _BATCH):
        for kept in batch:
            said = await opened(tx, kept.key, kept.body)
            if text.encode() in said or text in (kept.headers or {}).get("location", ""):
                found.append(kept.key)
        after = batch[-1].key
    return await tx.run(queries.FORGET_THESE, found)


async def forget_old(tx: Tx) -> int:
    """Delete answers older than KEPT of the transaction's tenant; return how many."""
    return await tx.run(queries.FORGET_REPLIES, tx.now - KEPT)
