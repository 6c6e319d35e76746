"""Writes: valid resources become fields, and the actions of the record's slice do the rest."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import FieldError, Invalid, NotFound, PreconditionFailed, Problem
from chroniccare.core.wire import dumps
from chroniccare.fhir import actions, asking, composing, conditions, outcome, queries
from chroniccare.fhir.bundles import SUBSETTED
from chroniccare.fhir.kind import Check, Kind, Resource, Writer
from chroniccare.fhir.parameters import Numbers
from chroniccare.fhir.registry import KINDS, opened
from chroniccare.fhir.resources import extra
from chroniccare.fhir.validation import parse
from chroniccare.patients import queries_extras as extras
from chroniccare.platform.postgres import Tx


@dataclass(frozen=True, slots=True)
class Written:
    """What a write came to: the resource, and how.

    Attributes:
        status: 201 for a new record, 200 for one that was changed or was there already.
        was_there: nothing was written: If-None-Exist found it. See `note`.
    """

    resource: Resource
    status: int = 200
    was_there: bool = False


def _writer(caller: Caller, kind: Kind, letter: str) -> Writer:
    """Return how the type is written.

    Raises:
        NotWritable: it is not.
        Forbidden: the caller's scopes do not open it.
    """
    if kind.writer is None or (letter == "d" and kind.writer.delete is None):
        raise outcome.NotWritable
    if letter == "u" and kind.writer.update is None:
        raise outcome.NotWritable
    opened(caller, kind, letter)
    return kind.writer


def checked(wanted: str | None) -> Check:
    """Return what compares a version with If-Match, whose ETags are weak here."""

    def check(version: int) -> None:
        tags = {one.strip().removeprefix("W/") for one in (wanted or "*").split(",")}
        if not tags & {"*", f'"{version}"'}:
            raise PreconditionFailed

    return check


async def create(
    tx: Tx, kind: Kind, body: bytes | Resource, *, unless: str | None = None
) -> Written:
    """Make a record of a resource, unless one matches the search `unless` (If-None-Exist).

    Raises:
        Invalid: it is no valid resource; everything is named.
        Ambiguous: several match.
        Problem: what the action refuses, said of the resource's elements.
    """
    writer = _writer(tx.caller, kind, "c")
    said = parse(kind.name, body, us_core=tx.settings.fhir_us_core)
    async with _said_of(writer):
        if unless is not None:
            found = await existing(tx, kind, unless)
            if found is not None:
                return Written(actions.rendered(tx.caller, kind, found), was_there=True)
        record_id = await writer.create(tx, said)
        return Written(await _kept(tx, kind, writer, record_id, said), 201)


async def note(caller: Caller, kind: Kind, written: Written) -> None:
    """Write to the audit that a record was seen which was there already, before it is answered."""
    if written.was_there and kind.entity is not None:
        await note_read(caller, entity_type=kind.entity, seen=[written.resource["id"]])


async def update(tx: Tx, kind: Kind, text: str, body: bytes | Resource, *, check: Check) -> Written:
    """Replace a record by a resource.

    Raises:
        Invalid: it is no valid resource, or has another id.
        NotFound: there is no such record: clients choose no ids here.
        Gone: it was removed.
        PreconditionFailed: `check` says that somebody changed it.
        Problem: what the action refuses, said of the resource's elements.
    """
    writer = _writer(tx.caller, kind, "u")
    assert writer.update is not None  # noqa: S101  `_writer` has looked
    said = parse(kind.name, body, us_core=tx.settings.fhir_us_core)
    if said.get("id") != text:
        raise Invalid.field(f"{kind.name}.id", "must be the id in the address", "value")
    if any(one.get("code") == SUBSETTED["code"] for one in said.get("meta", {}).get("tag", [])):
        raise Invalid.field(f"{kind.name}.meta.tag", "is of a part: write the whole", "value")
    async with _said_of(writer):
        record_id = await _there(tx, kind, text)
        if not await writer.update(tx, record_id, said, check):
            row = await tx.one(kind.read, record_id)
            return Written(actions.rendered(tx.caller, kind, row))
        return Written(await _kept(tx, kind, writer, record_id, said))


async def delete(tx: Tx, kind: Kind, text: str, *, check: Check) -> None:
    """Remove a record; one that is gone already stays gone.

    Raises:
        NotFound: there never was such a record.
        PreconditionFailed: `check` says that somebody changed it.
        Problem: what the action refuses.
    """
    writer = _writer(tx.caller, kind, "d")
    assert writer.delete is not None  # noqa: S101  `_writer` has looked
    try:
        record_id = await _there(tx, kind, text)
    except outcome.Gone:
        return
    await writer.delete(tx, record_id, check)


async def _there(tx: Tx, kind: Kind, text: str) -> UUID:
    try:
        record_id = UUID(text)
    except ValueError:
        raise NotFound from None
    if await tx.one(kind.read, record_id) is None:
        if kind.gone is not None and await tx.value(kind.gone, record_id):
            raise outcome.Gone
        raise NotFound
    return record_id


async def existing(tx: Tx, kind: Kind, query: str) -> Any:
    """Return the one record that matches a search, or None.

    The search is locked until the commit, so that the same one, made twice at once, makes one.
    """
    ask = asking.read(kind, KINDS, asking.pairs_of(query.lstrip("?")), strict=True)
    _check_numbers(kind, ask)
    if not ask.filters:
        raise Invalid.field("If-None-Exist", "must be a search, such as identifier=1", "value")
    key = hashlib.blake2s(tx.caller.tenant_id.bytes + query.encode(), digest_size=8).digest()
    await tx.run(queries.LOCK, int.from_bytes(key, signed=True))
    asked = await actions.asked_of(tx, zones=True)
    wanted = conditions.scoped(tx.caller, kind, asked)
    wanted += conditions.conditions(tx.caller, kind, ask.filters, asked)
    statement = composing.page(kind, asked, wanted, [(kind.id, "uuid", False)], after=None, limit=2)
    rows = await tx.all(statement, *asked.arguments)
    if len(rows) > 1:
        raise outcome.Ambiguous
    return rows[0] if rows else None


def _check_numbers(kind: Kind, ask: asking.Ask) -> None:
    """Check that numbers are looked for in systems that can be searched.

    Those of other systems are kept beside the record and not found: that none is there cannot be
    known, and a second record would be made.

    Raises:
        Invalid: a number is of another system.
    """
    for one in ask.filters:
        parameter = kind.parameters[one.path[0]] if one.reverse is None else None
        if not isinstance(parameter, Numbers) or parameter.other is not None:
            continue
        for value in one.values:
            system, bar, _ = value.rpartition("|")
            if bar and not system.startswith("urn:uuid:") and system not in parameter.systems:
                reason = "is of a system that is not searched"
                raise Invalid.field(one.said, reason, "not-supported")


async def _kept(tx: Tx, kind: Kind, writer: Writer, record_id: UUID, said: Resource) -> Resource:
    """Keep what the record does not hold of a resource, and return the record as it is now."""
    row = await tx.one(kind.read, record_id)
    assert row is not None  # noqa: S101  it was just written
    if not writer.keeps:
        return actions.rendered(tx.caller, kind, row)
    told = kind.to_fhir(replace(row, extra=None), tx.caller.tenant_id)
    kept = {name: one for name, one in said.items() if name not in writer.decided}
    left = extra.left(actions.plain(dumps(kept)), told)
    if left:
        sealed = (await tx.keyring()).sealed(extras.EXTRA, record_id, left)
        patient_id = writer.patient(row)
        await tx.run(extras.PUT, record_id, tx.caller.tenant_id, patient_id, sealed, tx.now)
    else:
        await tx.run(extras.DELETE, record_id)
    return actions.rendered(tx.caller, kind, replace(row, extra=left))


@asynccontextmanager
async def _said_of(writer: Writer) -> AsyncIterator[None]:
    """Have errors name elements of the resource instead of our fields."""
    try:
        yield
    except Problem as problem:
        problem.details = [
            FieldError(_place(writer, one.field), one.reason, one.code) for one in problem.details
        ]
        raise


def _place(writer: Writer, field: str) -> str:
    return writer.places.get(field) or writer.places.get(field.partition(".")[0], field)
