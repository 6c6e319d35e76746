"""AppointmentResponse: patients accept, decline or want another time, as by reply or link.

Accepting confirms the visit, declining cancels it, and `tentative` has staff find another time.
"""

from dataclasses import replace
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Forbidden, Unprocessable
from chroniccare.fhir import actions
from chroniccare.fhir.kind import Resource
from chroniccare.fhir.kinds import writers
from chroniccare.fhir.kinds.slots import instant_of
from chroniccare.fhir.registry import KINDS, opened, seen_by
from chroniccare.fhir.validation import parse
from chroniccare.notifications.inbound import staff
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling import actions as scheduling
from chroniccare.scheduling import queries, replies

RESPONSE = KINDS["AppointmentResponse"]
# Who answers for a patient changes the visit.
_WRITTEN = replace(RESPONSE, writer=writers.APPOINTMENT)
_DECLINED = "Declined by the patient"


async def create(caller: Caller, body: bytes) -> Resource:
    """Do what the patient's answer means, and return it as it stands then.

    Raises:
        Forbidden: the scopes do not open it.
        Invalid: it is no valid resource.
        NotFound: there is no such visit.
        Unprocessable: it is nobody's answer whom we know, or none.
        Outdated: the visit is at another time by now, or not to come any more.
        LateChange: it is too near to be cancelled.
    """
    if opened(caller, _WRITTEN, "c"):
        raise Forbidden
    said = parse(RESPONSE.name, body)
    async with begin(seen_by(caller, RESPONSE)) as tx:
        visit = await scheduling.get_locked(tx, _visit(said))
        if said.get("actor", {}).get("reference", "").rpartition("/")[2] != str(visit.patient_id):
            place = "AppointmentResponse.actor"
            raise Unprocessable.field(place, "must be the patient whose visit it is")
        await _answer(tx, visit, said)
        row = await tx.one(RESPONSE.read, visit.id)
        return actions.rendered(tx.caller, RESPONSE, row)


def _visit(said: Resource) -> UUID:
    try:
        return UUID(said["appointment"].get("reference", "").rpartition("/")[2])
    except ValueError:
        place = "AppointmentResponse.appointment"
        raise Unprocessable.field(place, "must be a reference to an Appointment") from None


async def _answer(tx: Tx, visit: queries.Appointment, said: Resource) -> None:
    # Without a start the patient speaks of the visit as it is.
    told = instant_of(said["start"]) if "start" in said else visit.scheduled_start
    match said["participantStatus"]:
        case "accepted":
            await replies.confirm(tx, visit.id, told_start=told, asked_at=tx.now)
        case "declined":
            if visit.status != "cancelled":
                replies.check_told(visit, told, now=tx.now)
            reason = said.get("comment") or _DECLINED
            await scheduling.cancel(tx, visit, reason=reason)
        case "tentative":
            replies.check_told(visit, told, now=tx.now)
            await staff.want_change(
                tx, appointment_id=visit.id, patient_id=visit.patient_id,
                starts_at=visit.scheduled_start, reason="patient_tentative",
            )  # fmt: skip
        case _:
            place = "AppointmentResponse.participantStatus"
            raise Unprocessable.field(place, "must be accepted, declined or tentative")
