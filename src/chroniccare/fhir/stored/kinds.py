"""Stored types as the registry knows them: made of the table of search parameters."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any
from uuid import UUID

import orjson

from chroniccare.fhir.definitions.table import type_of
from chroniccare.fhir.kind import Check, Include, Kind, Planned, Resource, Versions, Writer, named
from chroniccare.fhir.kinds.common import every
from chroniccare.fhir.parameters import Parameter, uuids
from chroniccare.fhir.stored import actions, indexing, parameters, queries
from chroniccare.fhir.stored.parameters import (
    AnyReference,
    StoredAmount,
    StoredCanonical,
    StoredDate,
    StoredNumber,
    StoredPair,
    StoredText,
    StoredToken,
    StoredUri,
)
from chroniccare.fhir.stored.table import (
    CLINICS,
    HAPPENED,
    Search,
    in_summary,
    patient_path,
    searches,
)
from chroniccare.platform.postgres import Tx

SCOPE, SCOPE_WRITE = "records:read", "records:write"
_FIRST = "(SELECT min(i.{}) FROM fhir_index i WHERE i.resource_id = r.id AND i.path {})"


def kinds(served: Mapping[str, Kind]) -> dict[str, Kind]:
    """Return the stored types; `served` is the registry, which will hold them too.

    A reference leads to those types alone that are served.
    """
    names = {*served, *searches()}
    return {name: _kind(name, served, names) for name in sorted(searches())}


def _kind(name: str, served: Mapping[str, Kind], names: set[str]) -> Kind:
    found = searches()[name].values()
    includes = {one.name: made for one in found if (made := _includes(one, names))}
    return Kind(
        name=name,
        scope=SCOPE,
        tag="records",
        entity=None if name in CLINICS else name,
        read=replace(queries.READ, sql=_of(name, queries.READ.sql)),
        source=queries.SOURCE,
        id="r.id",
        where=_of(name, queries.WHERE),
        gone=replace(queries.GONE, sql=_of(name, queries.GONE.sql)),
        parameters=named(
            *every("r.id", "r.updated_at"), *(_parameter(one, names) for one in found)
        ),
        includes=includes,
        order=("_id",),
        to_fhir=partial(_to_fhir, name),
        writer=_writer(name, served),
        versions=Versions(
            "fhir_resources", kept_as=f"fhir_resources.{name}", where=f"t.type = '{name}'"
        ),
        always=type_of(name).required,
        summary=in_summary(name),
    )


def _of(name: str, sql: str) -> str:
    """Return the statement of one type; its name is one of HL7's."""
    return sql.replace(queries.TYPE, f"'{name}'")


def _to_fhir(name: str, row: Any, _tenant_id: UUID) -> Resource:
    return actions.resource_of(name, row.id, row.version, row.updated_at, row.resource)


def _parameter(search: Search, names: set[str]) -> Parameter:
    if search.kind == "reference":
        return _reference(search, names)
    name, keys = search.name, search.keys
    null = parameters.none_under(keys)
    if search.kind == "token":
        if any(leaf.type == "Identifier" for leaf in search.leaves):
            return StoredNumber(name=name, keys=keys, null=null)
        return StoredToken(name=name, keys=keys, null=null)
    if search.kind == "date":
        return StoredDate(name=name, keys=keys, null=null, sort=_sort(search))
    if search.kind == "string":
        text = f"coalesce({_FIRST.format('code', parameters.under(keys))}, '')"
        return StoredText(name=name, keys=keys, null=null, sort=(text, "text"))
    return _OTHERS[search.kind](name=name, keys=keys, null=null)


_OTHERS = {"quantity": StoredAmount, "composite": StoredPair, "uri": StoredUri}


def _reference(search: Search, names: set[str]) -> Parameter:
    name, keys, null = search.name, search.keys, parameters.none_under(search.keys)
    if all(leaf.type != "Reference" for leaf in search.leaves):
        return StoredCanonical(name=name, keys=keys, null=null)
    targets = [one for one in search.targets if one in names]
    if not targets:
        return AnyReference(name=name, keys=keys, null=null)
    of = search.leaves[0]
    is_whose = patient_path(of.key.partition(".")[0]) == of.members
    return parameters.reference(name, keys, targets, leads_home=is_whose)


def _sort(search: Search) -> tuple[str, str]:
    """Return what a time is sorted by: its first moment; nothing said comes first."""
    [name] = {leaf.key.partition(".")[0] for leaf in search.leaves}
    if HAPPENED.get(name) == search.name:
        return "r.happened_at", "timestamptz"
    first = _FIRST.format("low", parameters.under(search.keys))
    return f"coalesce({first}, '0001-01-02T00:00:00Z'::timestamptz)", "timestamptz"


def _includes(search: Search, names: set[str]) -> tuple[Include, ...]:
    """Return what a reference may bring along, by the types that it may lead to."""
    if search.kind != "reference" or all(leaf.type != "Reference" for leaf in search.leaves):
        return ()
    return tuple(Include(one, partial(_ids, search, one)) for one in search.targets if one in names)


def _ids(search: Search, name: str, row: Any) -> list[UUID]:
    resource = orjson.loads(row.resource)
    texts = [
        value.get("reference", "")
        for leaf in search.leaves
        for value, _ in indexing.values(resource, leaf.members)
    ]
    led = [found for text in texts if (found := indexing.target(text, "")) is not None]
    return uuids([text for kind, text in led if kind == name])


def _writer(name: str, served: Mapping[str, Kind]) -> Writer:
    async def create(tx: Tx, said: Resource) -> UUID:
        return await actions.create(tx, served, said)

    async def create_planned(tx: Tx, said: Resource, planned: Planned) -> UUID:
        return await actions.create(tx, served, said, planned)

    async def update(tx: Tx, record_id: UUID, said: Resource, check: Check) -> bool:
        return await actions.update(tx, served, record_id, said, check)

    async def delete(tx: Tx, record_id: UUID, check: Check) -> None:
        await actions.delete(tx, name, record_id, check)

    return Writer(
        scope=SCOPE_WRITE,
        places={},
        create=create,
        update=update,
        delete=delete,
        patient=attrgetter("patient_id"),
        is_whole=True,
        create_planned=create_planned,
    )
