"""Changes of a part (PATCH), and writes whose record is named by a search."""

import binascii
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Forbidden, Invalid, PreconditionFailed, Problem
from chroniccare.core.wire import dumps
from chroniccare.fhir import actions, outcome, patching, patching_paths, writing
from chroniccare.fhir.conditional import existing
from chroniccare.fhir.kind import Check, Kind, Resource
from chroniccare.fhir.queries_versions import Version
from chroniccare.fhir.registry import reads
from chroniccare.fhir.validation import parse
from chroniccare.fhir.writing import Written
from chroniccare.platform.postgres import Tx

JSON_PATCH = "application/json-patch+json"
Change = Callable[[Resource], Resource]
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class _MovedOnError(Exception):
    """The record was changed between its read and its lock."""


@dataclass(frozen=True, slots=True)
class Condition:
    """Under which a write is done.

    Attributes:
        check: raises when the record's version is not the one that the client knows.
        must_exist: If-Match was given, so there must be a record.
    """

    check: Check
    must_exist: bool = False


def change_of(body: bytes | Resource, media: str) -> Change:
    """Return what a patch does to a resource; a dict is a Parameters resource.

    Raises:
        Invalid: it is neither JSON that can be read, nor valid Parameters.
    """
    if media != JSON_PATCH:
        parameters = parse("Parameters", body)
        return lambda document: patching_paths.patched(document, parameters)
    assert isinstance(body, bytes)  # noqa: S101  who has a resource says another media type
    try:
        operations = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise Invalid.field("body", "is not JSON that can be read", "json") from None
    return lambda document: patching.patched(document, operations)


def change_of_entry(resource: Resource) -> Change:
    """Return what the resource of an entry does: Binary has a JSON Patch, Parameters are one.

    Raises:
        Invalid: it is neither.
    """
    if resource.get("resourceType") == "Parameters":
        return change_of(resource, "")
    if resource.get("resourceType") != "Binary" or resource.get("contentType") != JSON_PATCH:
        raise Invalid.field("resource", f"must be Parameters, or a Binary of {JSON_PATCH}", "value")
    try:
        body = binascii.a2b_base64(str(resource.get("data", "")), strict_mode=True)
    except ValueError:
        raise Invalid.field("resource.data", "is not base64", "value") from None
    return change_of(body, JSON_PATCH)


async def patch(tx: Tx, kind: Kind, text: str, change: Change, *, check: Check) -> Written:
    """Change a part of a record; what comes of it is written as an update is.

    Raises:
        Problem: what `change` and `writing.update` refuse, a part that is tagged as one too.
    """
    _check_patches(tx.caller, kind)
    record_id = await writing.there(tx, kind, text)
    with _seeing(kind, record_id):
        return await _patch(tx, kind, record_id, change, check)


def _check_patches(caller: Caller, kind: Kind) -> None:
    """Check that the caller may write the type, and read it: what comes of a patch tells of it.

    Raises:
        Problem: what `writing.writer_of` refuses.
        Forbidden: the caller may not read all of it.
    """
    writing.writer_of(caller, kind, "u")
    if not reads(caller, kind):
        raise Forbidden


@contextmanager
def _seeing(kind: Kind, record_id: UUID | None) -> Iterator[None]:
    """Have a refusal say which record was read or found before it."""
    try:
        yield
    except Problem as problem:
        if kind.entity is not None and record_id is not None:
            problem.were_read.append((kind.entity, record_id))
        raise


async def _patch(tx: Tx, kind: Kind, record_id: UUID, change: Change, check: Check) -> Written:
    while True:
        row = await tx.one(kind.read, record_id)
        if row is None:
            raise outcome.Gone
        whole = actions.rendered(tx.caller, kind, row)

        def unmoved(version: int, read: int = row.version) -> None:
            check(version)
            if version != read:
                raise _MovedOnError

        try:
            body = change(_plain(dumps(whole)))
        except RecursionError:
            raise Invalid.field("body", "is nested too deep", "too-long") from None
        try:
            return await writing.update(tx, kind, str(record_id), body, check=unmoved)
        except _MovedOnError:  # it is locked by now, so the second time is the last
            continue


def _plain(raw: bytes) -> Any:
    return _DECODER.decode(raw)


async def update_where(
    tx: Tx, kind: Kind, query: str, body: bytes | Resource, *, condition: Condition
) -> Written:
    """Replace the one record that a search finds, or make one if there is none.

    Raises:
        Invalid: the resource has an id of its own.
        PreconditionFailed: none is there, and the client knows a version of it.
        Problem: what `existing`, `writing.create` and `writing.update` refuse.
    """
    writing.writer_of(tx.caller, kind, "u")
    said = parse(kind.name, body)
    row = await existing(tx, kind, query, field="query")
    if row is not None:
        said.setdefault("id", str(row.id))
        with _seeing(kind, row.id):
            return await writing.update(tx, kind, str(row.id), said, check=condition.check)
    if condition.must_exist:
        raise PreconditionFailed("No record matches.")
    if "id" in said:
        raise Invalid.field(f"{kind.name}.id", "is ours to choose: leave it out", "value")
    return await writing.create(tx, kind, said)


async def patch_where(tx: Tx, kind: Kind, query: str, change: Change, *, check: Check) -> Written:
    """Change a part of the one record that a search finds.

    Raises:
        NotFound: it finds none.
        Problem: what `existing` and `patch` refuse.
    """
    _check_patches(tx.caller, kind)
    row = await existing(tx, kind, query, field="query")
    if row is None:
        raise outcome.NoMatch
    return await patch(tx, kind, str(row.id), change, check=check)


async def delete_where(tx: Tx, kind: Kind, query: str, *, check: Check) -> Version | None:
    """Remove the one record that a search finds; none is as good as one that is gone already.

    Raises:
        Problem: what `existing` and `writing.delete` refuse.
    """
    writing.writer_of(tx.caller, kind, "d")
    row = await existing(tx, kind, query, field="query")
    if row is None:
        return None
    with _seeing(kind, row.id):
        return await writing.delete(tx, kind, str(row.id), check=check)
