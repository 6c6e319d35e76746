"""`Appointment/$find` (IHE ITI-115): which visits could be booked."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import FieldError, Forbidden, Invalid, Unprocessable
from chroniccare.core.time import zone
from chroniccare.fhir import actions, asking, bundles, composing, conditions, dates, outcome, slots
from chroniccare.fhir.kind import Resource
from chroniccare.fhir.operations import Given, In, id_of
from chroniccare.fhir.parameters import Asked, local_or
from chroniccare.fhir.registry import KINDS, opened
from chroniccare.fhir.resources import proposal
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling.catalogue.queries import LIST_TYPES
from chroniccare.scheduling.slots.actions import MAX_PROVIDERS

APPOINTMENT, SCHEDULE = KINDS["Appointment"], KINDS["Schedule"]
_USUAL, _MOST = 100, asking.MOST
_FEW = 5
_MANY = 50
_TIME = In(("DateTime", "Date", "Instant", "String"), is_needed=True)
_COUNT = ("Integer", "UnsignedInt", "PositiveInt", "String")
FIND = {
    "start": _TIME,
    "end": _TIME,
    "specialty": In(("String",), _MANY),
    "visit-type": In(("String",), _FEW),
    "practitioner": In(("Reference",), _MANY),
    "organization": In(("Reference",), _MANY),
    "location-string": In(("String",), _FEW),
    "location-reference": In(("Reference",), _MANY),
    "patient-reference": In(("Reference",)),
    "patient-resource": In(("Patient",)),
    "reason": In(("String",), _MANY),
    "referral-identifier": In(("Identifier",)),
    "timing": In(("Timing",)),
    "insurance-reference": In(("Reference",)),
    "_count": In(_COUNT),
}
_IDLE = ("reason", "referral-identifier", "timing", "insurance-reference")
"""What has no part in which times are free here; the answer says so."""
USUAL_TYPE = "visit"


@dataclass(frozen=True, slots=True)
class _Span:
    """When: the visit lies within, on the facility's clocks where no offset was told."""

    start: dates.Span
    end: dates.Span

    def holds(self, end: datetime, zone_name: str) -> bool:
        """Say whether a visit that ends then is over in time."""
        return end <= dates.instants(self.end, zone(zone_name))[1]


def check_whole(caller: Caller, letter: str) -> None:
    """Check that the scopes open all Appointments.

    Raises:
        Forbidden: they open none, or only some: which, the SQL of free times cannot say.
    """
    if opened(caller, APPOINTMENT, letter):
        raise Forbidden


async def find(caller: Caller, given: Given) -> Resource:
    """Return a Bundle of the visits that could be booked, by start; it says how many there are.

    Raises:
        Forbidden: the scopes do not open Appointments.
        Invalid: something is unknown or wrong; each thing is named.
        Unprocessable: the patient is unknown, or not active.
    """
    check_whole(caller, "s")
    span, count = _span(given), _count(given)
    async with begin(caller) as tx:
        asked = await actions.asked_of(tx, zones=True)
        codes = await _codes(tx, given, asked)
        rows = await _schedules(tx, given)
        patient_id = _patient(given)
        bounds = slots.bounds_of([span.start, span.end], asked.zones, now=tx.now)
    wanted = slots.Search(
        [span.start, span.end], frozenset({"free"}), None, None, bounds,
        {(row.provider_id, row.facility_id): row for row in rows if row.is_active}, patient_id,
    )  # fmt: skip
    found = []
    for code in codes:
        try:
            listed = await slots.matches(caller, replace(wanted, service=code), None, None)
        except Unprocessable as problem:
            problem.details = [_named(one) for one in problem.details]
            raise
        found += [(one, code) for one in listed if span.holds(slots.time_of(one).end, one.zone)]
    found.sort(key=lambda one: (one[0], one[1]))
    if patient_id is not None:  # what is not free tells when the patient is elsewhere
        await note_read(caller, entity_type="patient", seen=[patient_id], action="availability")
    entries = [
        bundles.entry(asked.base, proposal.to_fhir(
            wanted.by_pair[one.provider_id, one.facility_id], slots.time_of(one), code, patient_id,
            caller.tenant_id,
        ), "match")
        for one, code in found[:count]
    ]  # fmt: skip
    idle = [name for name in _IDLE if given.all(name)]
    if idle:
        words = outcome.warnings(f"{name} is not taken into account" for name in idle)
        entries.append({"resource": words, "search": {"mode": "outcome"}})
    links = [("self", f"{asked.base}/Appointment/$find")]
    return bundles.searchset(entries, links=links, total=len(found))


def _named(one: FieldError) -> FieldError:
    names = {"patient_id": "patient-reference", "appointment_type": "visit-type"}
    return replace(one, field=names.get(one.field, one.field))


def _span(given: Given) -> _Span:
    wrong, found = [], []
    for name, prefix in (("start", "ge"), ("end", "le")):
        text = str(given.one(name))
        span = dates.parse(text)
        if span is None or not text[0].isdigit():
            wrong.append(FieldError(name, "must be a date or a time, such as 2026-12-01", "value"))
        else:
            found.append(replace(span, prefix=prefix))
    if wrong:
        raise Invalid(details=wrong)
    return _Span(*found)


def _count(given: Given) -> int:
    text = str(given.one("_count") if given.all("_count") else _USUAL)
    if not text.isascii() or not text.isdigit() or len(text) > 9:  # noqa: PLR2004
        raise Invalid.field("_count", "must be a number", "value")
    return min(int(text), _MOST)


def _patient(given: Given) -> UUID | None:
    reference, resource = given.one("patient-reference"), given.one("patient-resource")
    if reference is not None:
        return id_of(reference, "Patient", "patient-reference")
    if resource is not None and "id" in resource:
        return id_of({"reference": resource["id"]}, "Patient", "patient-resource")
    return None


async def types(tx: Tx) -> set[str]:
    """Return the codes of the kinds of visit that are offered, and of the usual one."""
    listed = await tx.all(LIST_TYPES, None, True, None, _MOST)
    return {USUAL_TYPE, *(one.code for one in listed)}


async def _codes(tx: Tx, given: Given, asked: Asked) -> Sequence[str]:
    """Return the codes of the kinds of visit that are wanted.

    Raises:
        Invalid: one is not offered.
    """
    texts = given.all("visit-type")
    if not texts:
        return [USUAL_TYPE]
    known, ours = await types(tx), local_or(asked, "local:visit-type")
    found = []
    for text in texts:
        system, _, code = str(text).rpartition("|")
        if code not in known or system not in {"", ours}:
            reason = "is no kind of visit of this clinic; see HealthcareService"
            raise Invalid.field("visit-type", reason, "not-found")
        found.append(code)
    return list(dict.fromkeys(found))


async def _schedules(tx: Tx, given: Given) -> list[Any]:
    """Return the Schedules that have all that is asked for.

    Raises:
        Invalid: a reference is none, or there are too many.
    """
    asked = await actions.asked_of(tx, zones=False)
    wanted = []
    practitioners, places = given.all("practitioner"), given.all("location-reference")
    if practitioners:
        ids = await _referred(tx, practitioners, "Practitioner", "practitioner")
        wanted.append(f"w.provider_id = ANY({asked.put(ids, 'uuid[]')})")
    if places:
        ids = await _referred(tx, places, "Location", "location-reference")
        wanted.append(f"w.facility_id = ANY({asked.put(ids, 'uuid[]')})")
    if words := given.all("location-string"):
        ids = await _ids(tx, "Location", "address", words)
        wanted.append(f"w.facility_id = ANY({asked.put(ids, 'uuid[]')})")
    if given.all("organization"):
        ids = [id_of(each, "Organization", "organization") for each in given.all("organization")]
        wanted.append("true" if tx.caller.tenant_id in ids else "false")
    if names := given.all("specialty"):
        filters = _filters("Schedule", "specialty", names)
        wanted += conditions.conditions(tx.caller, SCHEDULE, filters, asked)
    rows = await slots.schedules(tx, asked, wanted)
    if len(rows) > MAX_PROVIDERS:
        reason = f"more than {MAX_PROVIDERS} have times then: name some"
        raise Invalid.field("practitioner", reason, "too-costly")
    return rows


async def _referred(tx: Tx, several: Sequence[Resource], kind: str, name: str) -> list[UUID]:
    """Return the ids of references, which may be by the number of a record instead."""
    found = []
    for one in several:
        number = one.get("identifier", {})
        if "reference" not in one and "value" in number and kind == "Practitioner":
            system = f"{number['system']}|" if "system" in number else ""
            found += await _ids(tx, kind, "identifier", [f"{system}{number['value']}"])
        else:
            found.append(id_of(one, kind, name))
    return found


def _filters(kind: str, name: str, values: Sequence[str]) -> list[asking.Filter]:
    plain = [str(one).replace("\\", "\\\\").replace(",", "\\,") for one in values]
    return asking.read(KINDS[kind], KINDS, [(name, ",".join(plain))], strict=True).filters


async def _ids(tx: Tx, name: str, parameter: str, values: Sequence[str]) -> list[UUID]:
    """Return the ids of the records that a search by one parameter finds."""
    kind, asked = KINDS[name], await actions.asked_of(tx, zones=False)
    filters = _filters(name, parameter, values)
    wanted = conditions.conditions(tx.caller, kind, filters, asked)
    order = [(kind.id, "uuid", False)]
    statement = composing.page(kind, asked, wanted, order, after=None, limit=MAX_PROVIDERS)
    return [row.id for row in await tx.all(statement, *asked.arguments)]
