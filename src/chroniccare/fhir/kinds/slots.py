"""Slot: worked out of hours and visits, so no statement of SQL finds it. See `fhir.slots`."""

from datetime import datetime
from typing import Any
from uuid import UUID

from chroniccare.core.errors import Unprocessable
from chroniccare.fhir import queries
from chroniccare.fhir.kind import Include, Kind, Resource, named
from chroniccare.fhir.parameters import Date, Ids, Reference, Token
from chroniccare.fhir.resources import slot
from chroniccare.fhir.resources.appointment_write import actors

_NOTHING = ""
STATUSES = {one: (one,) for one in ("free", "busy", "busy-unavailable")}


def _made(found: slot.Time, tenant_id: UUID) -> Resource:
    """Return a time without what only `fhir.slots` knows."""
    return slot.to_fhir(found, "free", found.provider_id, tenant_id, None)


SLOT = Kind(
    name="Slot",
    scope="appointments:read",
    tag="appointments",
    entity=None,
    read=queries.SCHEDULE,
    source=_NOTHING,
    id=_NOTHING,
    where="false",
    gone=None,
    parameters=named(
        Ids(name="_id", expression=_NOTHING),
        Reference(name="schedule", targets={"Schedule": _NOTHING}),
        Date(name="start", expression=_NOTHING, sort=(_NOTHING, "timestamptz")),
        Token(name="status", match=_NOTHING, codes=STATUSES),
        Token(name="service-type", match=_NOTHING, systems=("local:visit-type",)),
    ),
    includes={"schedule": (Include("Schedule", lambda _: []),)},
    order=("start",),
    to_fhir=_made,
    always=frozenset({"schedule", "status", "start", "end"}),
    summary=frozenset({"serviceType"}),
)
"""For what goes by a type's record: parameters, includes, scopes and /fhir/metadata."""


def placed(said: Resource) -> None:
    """Have a new visit that names a Slot say what that says: when, with whom and where.

    Raises:
        Unprocessable: there is no such Slot, or the visit says something else.
    """
    named_: list[Any] = said.get("slot", [])
    if not named_:
        return
    found = None
    if len(named_) == 1:
        kind, _, name = named_[0].get("reference", "").rpartition("/")
        found = slot.opened(name) if kind.rpartition("/")[2] == "Slot" else None
    if found is None:
        raise Unprocessable.field("Appointment.slot", "must be one Slot of this server")
    for name, at in (("start", found.start), ("end", found.end)):
        if instant_of(said.setdefault(name, at.isoformat().replace("+00:00", "Z"))) != at:
            raise Unprocessable.field(f"Appointment.{name}", "is not the Slot's")
    for kind, own in (("Practitioner", found.provider_id), ("Location", found.facility_id)):
        known = actors(said, kind)
        if not known:
            actor = {"reference": f"{kind}/{own}"}
            said.setdefault("participant", []).append({"actor": actor, "status": "accepted"})
        elif known[0] != str(own):
            raise Unprocessable.field("Appointment.participant", f"is not the {kind} of the Slot")


def instant_of(text: str) -> datetime | None:
    """Return the instant that a text says; None without an offset, or where it is a leap second."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:  # a leap second is valid FHIR
        return None
    return found if found.tzinfo is not None else None
