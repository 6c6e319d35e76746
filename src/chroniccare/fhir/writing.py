"""Writes: valid resources become fields, and the actions of the record's slice do the rest."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import FieldError, Invalid, NotFound, Problem
from chroniccare.core.wire import dumps
from chroniccare.fhir import actions, composing_versions, numbers, outcome, refusals
from chroniccare.fhir.bundles import SUBSETTED
from chroniccare.fhir.conditional import existing
from chroniccare.fhir.kind import Check, Kind, Planned, Resource, Writer
from chroniccare.fhir.queries_versions import Version
from chroniccare.fhir.registry import KINDS, opened
from chroniccare.fhir.resources import extra
from chroniccare.fhir.stored import indexing
from chroniccare.fhir.stored.actions import check_there
from chroniccare.fhir.validation import parse
from chroniccare.patients import queries_extras as extras
from chroniccare.platform.gathering import later
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


@dataclass(frozen=True, slots=True)
class Made:
    """A record that was made with others by one statement, of which the rest is to be done.

    Attributes:
        row: None: it could not be made.
    """

    said: Resource
    row: Any


def location(resource: Resource) -> str:
    """Return the address of what was written, with its version, behind the server's own."""
    name = f"{resource['resourceType']}/{resource['id']}"
    if KINDS[resource["resourceType"]].versions is None:
        return name
    return f"{name}/_history/{resource['meta']['versionId']}"


def writer_of(caller: Caller, kind: Kind, letter: str) -> Writer:
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


def checked(tx: Tx, kind: Kind, body: bytes | Resource) -> Resource:
    """Return a resource that is valid, and says nothing that we must not ignore.

    Raises:
        Invalid: everything that is wrong with it is named.
        Unprocessable: as `refusals.check` says.
    """
    said = parse(kind.name, body, us_core=tx.settings.fhir_us_core)
    refusals.check(said)
    return said


async def create(
    tx: Tx, kind: Kind, body: bytes | Resource, *, unless: str | None = None,
    planned: Planned | None = None, made: Made | None = None,
) -> Written:  # fmt: skip
    """Make a record of a resource, unless one matches the search `unless` (If-None-Exist).

    `planned` is of types alone that can be, see `Writer.create_planned`; `made` was made already
    with others, see `creating`.

    Raises:
        Invalid: it is no valid resource; everything is named.
        Ambiguous: several match.
        Problem: what the action refuses, said of the resource's elements.
    """
    writer = writer_of(tx.caller, kind, "c")
    said = checked(tx, kind, body) if made is None else made.said
    async with said_of(writer):
        if unless is not None:
            there_ = await existing(tx, kind, unless)
            if there_ is not None:
                return Written(actions.rendered(tx.caller, kind, there_), was_there=True)
        if made is not None and writer.many is not None:
            found = await writer.many.finish(tx, said, made.row)
        elif planned is not None and writer.create_planned is not None:
            found = await writer.create_planned(tx, said, planned)
        else:
            found = await writer.create(tx, said)
        row = await tx.one(kind.read, found) if isinstance(found, UUID) else found
        coming = planned.coming if planned else frozenset()
        kept = await _kept(tx, kind, writer, row, said, coming=coming, is_new=True)
        return Written(kept, 201)


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
    writer = writer_of(tx.caller, kind, "u")
    assert writer.update is not None  # noqa: S101  `writer_of` has looked
    said = checked(tx, kind, body)
    if said.get("id") != text:
        raise Invalid.field(f"{kind.name}.id", "must be the id in the address", "value")
    if any(one.get("code") == SUBSETTED["code"] for one in said.get("meta", {}).get("tag", [])):
        raise Invalid.field(f"{kind.name}.meta.tag", "is of a part: write the whole", "value")
    async with said_of(writer):
        record_id = await there(tx, kind, text)
        if not await writer.update(tx, record_id, said, check):
            row = await tx.one(kind.read, record_id)
            return Written(actions.rendered(tx.caller, kind, row))
        row = await tx.one(kind.read, record_id)
        return Written(await _kept(tx, kind, writer, row, said))


async def delete(tx: Tx, kind: Kind, text: str, *, check: Check) -> Version | None:
    """Remove a record and return its last version; one that is gone already stays gone.

    Raises:
        NotFound: there never was such a record.
        PreconditionFailed: `check` says that somebody changed it.
        Problem: what the action refuses.
    """
    writer = writer_of(tx.caller, kind, "d")
    assert writer.delete is not None  # noqa: S101  `writer_of` has looked
    with suppress(outcome.Gone):
        await writer.delete(tx, await there(tx, kind, text), check)
    if kind.versions is None:
        return None
    statement = composing_versions.page([kind], of_one=True)
    return await tx.one(statement, *(None,) * 6, 1, UUID(text))


async def there(tx: Tx, kind: Kind, text: str) -> UUID:
    """Return the id of a record that is there.

    Raises:
        NotFound: there never was such a record.
        Gone: it was removed.
    """
    try:
        record_id = UUID(text)
    except ValueError:
        raise NotFound from None
    if await tx.one(kind.read, record_id) is None:
        if kind.gone is not None and await tx.value(kind.gone, record_id):
            raise outcome.Gone
        raise NotFound
    return record_id


async def _kept(
    tx: Tx, kind: Kind, writer: Writer, row: Any, said: Resource, *,
    coming: frozenset[str] = frozenset(), is_new: bool = False,
) -> Resource:  # fmt: skip
    """Keep what the record `row`, as it is now, does not hold of a resource, and return it."""
    assert row is not None  # noqa: S101  it was just written
    if writer.is_whole or not writer.keeps:
        return actions.rendered(tx.caller, kind, row)
    told, _ = extra.apart(kind.to_fhir(replace(row, extra=None), tx.caller.tenant_id), writer.told)
    kept, _ = extra.apart(said, writer.told)
    kept = {name: one for name, one in kept.items() if name not in writer.decided}
    left = extra.left(actions.plain(dumps(kept)), told)
    await _check_there(tx, kind, left, row.extra, coming)
    if left:
        sealed = (await tx.keyring()).sealed(extras.EXTRA, row.id, left)
        patient_id = writer.patient(row)
        await later(tx, extras.PUT, row.id, tx.caller.tenant_id, patient_id, sealed, tx.now)
        said_numbers = left.get("identifier", {}).get("said", ())
        await numbers.write(tx, row.id, said_numbers, is_new=is_new)
    elif row.extra is not None:
        await tx.run(extras.DELETE, row.id)
    return actions.rendered(tx.caller, kind, replace(row, extra=left))


async def _check_there(
    tx: Tx, kind: Kind, left: Resource, before: Resource | None, coming: frozenset[str]
) -> None:
    """Check that what is to be kept beside a record refers to nothing that is not there.

    What it referred to before may be gone by now.

    Raises:
        Unprocessable: each record that is not there, or another clinic's.
    """
    base = actions.base_of(tx)
    led, old = (
        {indexing.target(one["reference"], base) for one in indexing.references(said)}
        for said in (left, before or {})
    )
    if new := [one for one in led - old if one is not None]:
        await check_there(tx, KINDS, kind.name, new, coming)


@asynccontextmanager
async def said_of(writer: Writer) -> AsyncIterator[None]:
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
