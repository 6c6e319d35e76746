"""`$hold`, `$book` (IHE ITI-116 and ITI-117), `$reschedule` and `$cancel` of Appointments.

Each goes through the action that /api/v1 has for it. Who repeats one gets what the first came to.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Invalid, NotFound, Problem
from chroniccare.fhir import actions, bundles, outcome, slots, writing
from chroniccare.fhir.kind import Check, Resource
from chroniccare.fhir.kinds.slots import instant_of
from chroniccare.fhir.operations import Given, In, any_version, id_of
from chroniccare.fhir.operations_find import APPOINTMENT, check_whole, types
from chroniccare.fhir.queries_operations import SAME
from chroniccare.fhir.registry import KINDS, opened, seen_by
from chroniccare.fhir.resources import common, proposal, slot
from chroniccare.fhir.resources.appointment_write import actors
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import actions as scheduling
from chroniccare.scheduling import lifecycle, moving
from chroniccare.scheduling.booking import SlotTaken

_VISIT, _PATIENT = In(("Reference",)), In(("Reference",))
HOLD = {"appointment-reference": In(("Reference",), is_needed=True), "patient-reference": _PATIENT}
BOOK = {
    "appointment-reference": _VISIT,
    "appointment-resource": In(("Appointment",)),
    "patient-reference": _PATIENT,
    "patient-resource": In(("Patient",)),
    "comment": In(("String", "Markdown")),
}
RESCHEDULE = {
    "start": In(("Instant", "DateTime")),
    "slot": In(("Reference",)),
    "practitioner": In(("Reference",)),
    "location": In(("Reference",)),
    "reason": In(("String", "CodeableConcept")),
}
CANCEL = {"reason": In(("String", "CodeableConcept"))}
_WHY = "Cancelled by a FHIR client"
_PLACES = {
    "scheduled_start": "start",
    "provider_id": "practitioner",
    "facility_id": "location",
    "cancellation_reason": "reason",
}


async def hold(caller: Caller, given: Given) -> Resource:
    """Hold a time that was proposed, for 15 minutes; a Bundle of the visit.

    Raises:
        NotFound: nothing of the kind was proposed.
        SlotTaken: somebody was quicker.
        Problem: what the booking refuses.
    """
    return await _twice(caller, given, status="proposed")


async def book(caller: Caller, given: Given) -> Resource:
    """Book what was proposed or held, or make, change or cancel the visit of a resource.

    Raises:
        Invalid: neither a reference nor a resource is given, or both are.
        NotFound: there is no such visit or proposal.
        SlotTaken: somebody was quicker.
        Problem: what the booking refuses.
    """
    reference = given.one("appointment-reference")
    if (reference is None) == (given.one("appointment-resource") is None):
        raise Invalid.field("appointment-reference", "or else appointment-resource is needed")
    if reference is not None:
        return await _twice(caller, given, status="booked")
    check_whole(caller, "r")
    async with begin(seen_by(caller, APPOINTMENT)) as tx:
        written = await _of_resource(tx, given)
    return _bundle(tx, written.resource)


async def _twice(caller: Caller, given: Given, *, status: str) -> Resource:
    """Take up what a reference names; who lost to their own first request finds its visit."""
    check_whole(caller, "r")
    caller = seen_by(caller, APPOINTMENT)
    try:
        async with begin(caller) as tx:
            written = await _of_reference(tx, given, status)
    except SlotTaken:
        async with begin(caller) as tx:
            written = await _of_reference(tx, given, status)
    await writing.note(caller, APPOINTMENT, written)
    return _bundle(tx, written.resource)


def _bundle(tx: Tx, visit: Resource) -> Resource:
    base = actions.base_of(tx)
    links = [("self", f"{base}/Appointment/{visit['id']}")]
    return bundles.searchset([bundles.entry(base, visit, "match")], links=links, total=1)


async def _of_reference(tx: Tx, given: Given, status: str) -> writing.Written:
    name = given.one("appointment-reference").get("reference", "").rpartition("/")[2]
    proposed = proposal.opened(name)
    if proposed is None:
        visit_id = id_of({"reference": name}, "Appointment", "appointment-reference")
        return await _taken_up(tx, given, visit_id, status)
    visit = await _proposed(tx, proposed, await _patient(tx, given))
    [patient, provider, place] = (actors(visit, one)[0] for one in
                                  ("Patient", "Practitioner", "Location"))  # fmt: skip
    code = visit["serviceType"][0]["coding"][0]["code"]
    same = await tx.value(
        SAME, patient, provider, place, proposed.start, proposed.minutes, code, tx.now
    )
    if same is not None:
        return await _taken_up(tx, given, same, status, letter="c")  # as its booking was
    if comment := given.one("comment"):
        visit["comment"] = comment
    return await writing.create(tx, APPOINTMENT, {**visit, "status": status})


async def _proposed(tx: Tx, proposed: proposal.Proposal, patient_id: UUID | None) -> Resource:
    """Return what was proposed as a resource; it may be taken by now.

    Raises:
        NotFound: there are no such hours, or there is no such kind of visit.
        Invalid: it is for nobody, or for somebody else.
    """
    asked = await actions.asked_of(tx, zones=False)
    rows = await slots.schedules(tx, asked, [f"w.id = {asked.put(proposed.schedule_id, 'uuid')}"])
    codes = [code for code in sorted(await types(tx)) if proposal.kind_of(code) == proposed.kind]
    if not rows or not codes:
        raise NotFound
    whose = proposed.patient_id or patient_id
    if whose is None:
        raise Invalid.field("patient-reference", "is needed: the time was found for nobody")
    if patient_id not in {None, whose}:
        raise Invalid.field("patient-reference", "is not whom the time was found for", "value")
    [row] = rows
    time = slot.Time(row.provider_id, row.facility_id, proposed.start, proposed.minutes)
    found = proposal.to_fhir(row, time, codes[0], whose, tx.caller.tenant_id)
    del found["id"]
    return found


async def _taken_up(
    tx: Tx, given: Given, visit_id: UUID, status: str, *, letter: str = "u"
) -> writing.Written:
    """Book a visit that is held; one that is booked already is answered as it is.

    `letter`: what the caller must be allowed for that answer; to take one up is an update.
    """
    opened(tx.caller, APPOINTMENT, letter)
    visit = await scheduling.get_locked(tx, visit_id)
    _check_patient(given, visit.patient_id)
    is_new = status == "booked" and visit.status not in {"scheduled", "confirmed"}
    if is_new:
        opened(tx.caller, APPOINTMENT, "u")
        await lifecycle.take_up(tx, visit)
    row = await tx.one(APPOINTMENT.read, visit_id)
    resource = actions.rendered(tx.caller, APPOINTMENT, row)
    comment = given.one("comment")
    if is_new and comment:
        said = {**bundles.untagged(resource), "comment": comment}  # nothing of it is lost
        return await writing.update(tx, APPOINTMENT, str(visit_id), said, check=any_version)
    return writing.Written(resource, was_there=not is_new)


def _check_patient(given: Given, patient_id: UUID) -> None:
    """Check that a visit is of the patient who was named, if one was.

    Raises:
        Invalid: it is somebody else's.
    """
    reference, resource = given.one("patient-reference"), given.one("patient-resource") or {}
    named = [reference.get("reference", "")] if reference is not None else []
    named += [resource["id"]] if "id" in resource else []
    if any(one.rpartition("/")[2] != str(patient_id) for one in named):
        raise Invalid.field("patient-reference", "is not whom the visit is for", "value")


async def _patient(tx: Tx, given: Given) -> UUID | None:
    """Return whom a visit is for; a patient without an id is registered."""
    reference, resource = given.one("patient-reference"), given.one("patient-resource")
    if reference is not None:
        return id_of(reference, "Patient", "patient-reference")
    if resource is None:
        return None
    if "id" in resource:
        return id_of({"reference": resource["id"]}, "Patient", "patient-resource")
    made = await writing.create(tx, KINDS["Patient"], resource)
    return UUID(made.resource["id"])


async def _of_resource(tx: Tx, given: Given) -> writing.Written:
    said: Resource = dict(given.one("appointment-resource"))
    if comment := given.one("comment"):
        said["comment"] = comment
    try:
        visit_id = UUID(said.get("id", ""))
    except ValueError:
        visit_id = None
    if visit_id is None:
        patient_id = await _patient(tx, given)
        if patient_id is not None and not actors(said, "Patient"):
            actor = common.reference("Patient", patient_id)
            own = {"actor": actor, "status": "needs-action"}
            said["participant"] = [own, *said.get("participant", [])]
        said.pop("id", None)
        is_new = said.get("status") in {"pending", "proposed"}
        return await writing.create(
            tx, APPOINTMENT, {**said, "status": "booked"} if is_new else said
        )
    if said.get("status") == "cancelled":
        visit = await scheduling.get_locked(tx, visit_id)
        if visit.status == "cancelled":
            return writing.Written(await _cancelled(tx, visit_id, said))
    return await writing.update(tx, APPOINTMENT, str(visit_id), said, check=any_version)


async def _cancelled(tx: Tx, visit_id: UUID, said: Mapping[str, Any]) -> Resource:
    opened(tx.caller, APPOINTMENT, "u")
    visit = await scheduling.get_locked(tx, visit_id)
    await scheduling.cancel(tx, visit, reason=_words(said.get("cancelationReason")))
    return actions.rendered(tx.caller, APPOINTMENT, await tx.one(APPOINTMENT.read, visit_id))


def _words(value: Any) -> str:
    if isinstance(value, str):
        return value
    concept: dict[str, Any] = value or {}
    displays = [one["display"] for one in concept.get("coding", []) if "display" in one]
    return concept.get("text") or next(iter(displays), None) or _WHY


async def cancel(caller: Caller, text: str, given: Given, check: Check) -> Resource:
    """Cancel a visit; once it is, it stays as it is.

    Raises:
        NotFound: there is none.
        PreconditionFailed: `check` says that somebody changed it.
        Problem: what the action refuses.
    """
    async with _changing(caller, text) as (tx, visit_id):
        visit = await scheduling.get_locked(tx, visit_id)
        check(visit.version)
        return await _cancelled(tx, visit_id, {"cancelationReason": given.one("reason")})


async def reschedule(caller: Caller, text: str, given: Given, check: Check) -> Resource:
    """Move a visit, which keeps its id, to another time, place or provider.

    Raises:
        Invalid: neither a start nor a Slot is given, or the Slot is none.
        NotFound: there is no such visit.
        PreconditionFailed: `check` says that somebody changed it.
        Problem: what the action refuses.
    """
    time = _time(given)
    start = instant_of(given.one("start") or "") if time is None else time.start
    if start is None:
        raise Invalid.field("start", "or else slot is needed: a time with its offset", "required")
    provider_id, facility_id = (
        None if given.one(name) is None else id_of(given.one(name), kind, name)
        for name, kind in (("practitioner", "Practitioner"), ("location", "Location"))
    )
    reason = given.one("reason")
    async with _changing(caller, text) as (tx, visit_id):
        visit = await scheduling.get_locked(tx, visit_id)
        check(visit.version)
        await moving.reschedule(
            tx, visit, start=start, minutes=None if time is None else time.minutes,
            provider_id=provider_id if time is None else time.provider_id,
            facility_id=facility_id if time is None else time.facility_id,
            reason=None if reason is None else _words(reason),
        )  # fmt: skip
        return actions.rendered(tx.caller, APPOINTMENT, await tx.one(APPOINTMENT.read, visit_id))


def _time(given: Given) -> slot.Time | None:
    reference = given.one("slot")
    if reference is None:
        return None
    found = slot.opened(reference.get("reference", "").rpartition("/")[2])
    if found is None:
        raise Invalid.field("slot", "must be a Slot of this server", "value")
    return found


@asynccontextmanager
async def _changing(caller: Caller, text: str) -> AsyncIterator[tuple[Tx, UUID]]:
    """Open the transaction of a change of one visit; errors name parameters, not our fields."""
    check_whole(caller, "u")
    check_whole(caller, "r")  # the answer is the visit
    try:
        visit_id = UUID(text)
    except ValueError:
        raise NotFound from None
    try:
        async with begin(seen_by(caller, APPOINTMENT)) as tx:
            yield tx, visit_id
    except Problem as problem:
        problem.details = [
            replace(one, field=_PLACES.get(one.field, one.field)) for one in problem.details
        ]
        raise


def not_held(taken: SlotTaken) -> Resource:
    """Return the OperationOutcome of a time that could not be held, as IHE wants it."""
    whole = outcome.outcome(taken)
    first = {**outcome.issue(taken), "severity": "fatal", "code": "not-found"}
    return {**whole, "issue": [first, *whole["issue"]]}
