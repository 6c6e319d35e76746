"""`Patient/$match`: who of the clinic's patients somebody could be, with how sure that is."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Invalid
from chroniccare.core.wire import dumps
from chroniccare.fhir import actions, asking, bundles, composing, conditions, scoring
from chroniccare.fhir.kind import Resource
from chroniccare.fhir.operations import Given, In
from chroniccare.fhir.registry import KINDS, opened, seen_by
from chroniccare.platform.postgres import Tx, begin

MATCH = {
    "resource": In(("Patient",), is_needed=True),
    "onlyCertainMatches": In(("Boolean",)),
    "count": In(("Integer", "PositiveInt", "UnsignedInt")),
}
_PATIENT = KINDS["Patient"]
_GRADE = "http://hl7.org/fhir/StructureDefinition/match-grade"
_USUAL, _EACH, _FEW = 20, 50, 5


async def match(caller: Caller, given: Given) -> Resource:
    """Return those who could be the patient in `resource`, the surest first.

    Two who are both certain are both probable only.

    Raises:
        Forbidden: the scopes do not open searches of patients.
        Invalid: something is wrong or missing; each thing is named.
    """
    caller = seen_by(caller, _PATIENT)
    opened(caller, _PATIENT, "s")
    said: Resource = given.one("resource")
    count = given.one("count") if given.all("count") else _USUAL
    if count < 1:
        raise Invalid.field("count", "must be a number from 1", "value")
    async with begin(caller) as tx:
        rows: dict[UUID, Any] = {}
        for pairs in _keys(said):
            rows |= {row.id: row for row in await _found(tx, caller, pairs)}
        base = actions.base_of(tx)
    whole = [dumps(actions.rendered(caller, _PATIENT, row)) for row in rows.values()]
    graded = [
        (*scoring.compared(said, resource), resource)
        for resource in map(actions.plain, whole)  # dates as text, as those of who is looked for
    ]
    certain = sum(grade == "certain" for _, grade, _ in graded)
    if certain > 1:
        graded = [
            (score, "probable" if grade == "certain" else grade, one)
            for score, grade, one in graded
        ]
    only = bool(given.one("onlyCertainMatches"))
    wanted = {"certain"} if only else {"certain", "probable", "possible"}
    graded = [one for one in graded if one[1] in wanted]
    graded.sort(key=lambda one: (-one[0], one[2]["id"]))
    graded = graded[: min(count, asking.MOST)]
    seen = [one["id"] for _, _, one in graded]
    await note_read(caller, entity_type="patient", seen=seen, action="list")
    entries = []
    for score, grade, one in graded:
        entry = bundles.entry(base, one, "match")
        told = {"extension": [{"url": _GRADE, "valueCode": grade}], "mode": "match", "score": score}
        entries.append({**entry, "search": told})
    links = [("self", f"{base}/Patient/$match")]
    return bundles.searchset(entries, links=links, total=len(entries))


def _keys(said: Resource) -> Iterator[Sequence[tuple[str, str]]]:
    """Yield the searches that candidates come from: by identifier, name and birth date, or contact.

    Who shares none of these is not compared, whatever grade address, gender and birth date gave.
    """
    for one in said.get("identifier", [])[:_FEW]:
        if "value" in one and "system" in one:
            yield [("identifier", f"{_plain(one['system'])}|{_plain(one['value'])}")]
    families = [one["family"] for one in said.get("name", [])[:_FEW] if "family" in one]
    givens = [word for one in said.get("name", [])[:_FEW] for word in one.get("given", []) if word]
    for family in dict.fromkeys(families):
        if "birthDate" in said:
            yield [("family", _plain(family)), ("birthdate", said["birthDate"])]
        for given in dict.fromkeys(givens[:_FEW]):
            yield [("family", _plain(family)), ("given", _plain(given))]
    for given in dict.fromkeys(givens[:_FEW]):
        if "birthDate" in said:
            yield [("given", _plain(given)), ("birthdate", said["birthDate"])]
    for point in said.get("telecom", [])[:_FEW]:
        if point.get("system") in {"phone", "email"} and "value" in point:
            yield [(point["system"], _plain(point["value"]))]


def _plain(value: str) -> str:
    return value.replace("\\", "\\\\").replace(",", "\\,")


async def _found(tx: Tx, caller: Caller, pairs: Sequence[tuple[str, str]]) -> list[Any]:
    """Return the patients that a search finds; by what is hidden from the caller, none."""
    asked = await actions.asked_of(tx, zones=False)
    try:
        filters = asking.read(_PATIENT, KINDS, pairs, strict=True).filters
        wanted = conditions.conditions(caller, _PATIENT, filters, asked)
    except Invalid:
        return []
    wanted += conditions.scoped(caller, _PATIENT, asked)
    order = [(_PATIENT.id, "uuid", False)]
    statement = composing.page(_PATIENT, asked, wanted, order, after=None, limit=_EACH)
    return await tx.all(statement, *asked.arguments)
