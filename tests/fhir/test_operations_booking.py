"""IHE's `$find`, `$hold`, `$book`, and `$reschedule` and `$cancel`: by the actions of REST."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chroniccare.core.errors import Forbidden
from chroniccare.fhir import operations_booking
from chroniccare.fhir.operations import Given
from chroniccare.fhir.resources.slot import Time, slot_id
from chroniccare.tenancy.smart_scopes import parse_all
from tests.client import Clinic
from tests.fhir.hours import DAY, on
from tests.fhir.server import Server, visit
from tests.fhir.test_booking import appointment, start
from tests.fhir.test_write import SMALL

Json = dict[str, Any]


def parameters(**values: Any) -> Json:
    """Return Parameters: text is a string or, with a slash, a reference; other things say so."""
    found = []
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            said: Json = {"name": name.replace("_", "-") if name[0] != "_" else name}
            if isinstance(one, dict) and "resourceType" in one:
                said["resource"] = one
            elif isinstance(one, dict):
                said |= one
            elif isinstance(one, int):
                said["valueInteger"] = one
            elif "/" in one:
                said["valueReference"] = {"reference": one}
            elif name in {"start", "end"}:
                said["valueDateTime"] = one
            else:
                said["valueString"] = one
            found.append(said)
    whole: Json = {"resourceType": "Parameters"}
    return {**whole, "parameter": found} if found else whole


async def call(fhir: Server, path: str, **values: Any) -> httpx.Response:
    headers = values.pop("headers", {})
    return await fhir.send("POST", f"/{path}", json=parameters(**values), headers=headers)


async def find(fhir: Server, **values: Any) -> list[Json]:
    span = {"start": str(DAY), "end": str(DAY)}
    answer = await call(fhir, "Appointment/$find", **{**span, **values})
    assert answer.status_code == 200, answer.text
    return [
        one["resource"]
        for one in answer.json().get("entry", [])
        if one["search"]["mode"] == "match"
    ]


def visit_in(answer: httpx.Response) -> Json:
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert (bundle["type"], bundle["total"]) == ("searchset", 1)
    [entry] = bundle["entry"]
    made: Json = entry["resource"]
    return made


@pytest.fixture
async def patient(clinic: Clinic) -> str:
    return str((await clinic.patient())["id"])


async def test_what_is_found_is_what_can_be_booked(
    clinic: Clinic, fhir: Server, doctor: Json, patient: str
) -> None:
    await visit(clinic, provider=doctor, scheduled_start=on(9, 30), facility_id=doctor["place"])
    found = await find(fhir, patient_reference=f"Patient/{patient}")
    assert [one["start"] for one in found] == [
        datetime.fromisoformat(at).astimezone(UTC).isoformat().replace("+00:00", "Z")
        for at in (on(9), on(10), on(10, 30))
    ]  # fmt: skip
    assert {one["status"] for one in found} == {"proposed"}
    actors = [one["actor"]["reference"] for one in found[0]["participant"]]
    assert actors == [
        f"Patient/{patient}", f"Practitioner/{doctor['id']}", f"Location/{doctor['place']}"
    ]  # fmt: skip
    by_get = await fhir.send("GET", f"/Appointment/$find?start={DAY}&end={DAY}&_count=1"
                                    f"&practitioner=Practitioner/{doctor['id']}")  # fmt: skip
    assert (by_get.json()["total"], len(by_get.json()["entry"])) == (3, 1)


async def test_a_held_time_is_not_found_until_it_is_let_go(
    fhir: Server, doctor: Json, patient: str
) -> None:
    first = (await find(fhir, patient_reference=f"Patient/{patient}"))[0]
    name = f"Appointment/{first['id']}"
    held = visit_in(await call(fhir, "Appointment/$hold", appointment_reference=name))
    assert (held["status"], held["start"]) == ("pending", first["start"])
    again = visit_in(await call(fhir, "Appointment/$hold", appointment_reference=name))
    assert again["id"] == held["id"]
    assert len(await find(fhir)) == 3
    gone = await call(fhir, f"Appointment/{held['id']}/$cancel", reason="Changed my mind")
    assert gone.json()["status"] == "cancelled"
    assert len(await find(fhir)) == 4
    assert doctor["id"]


async def test_a_hold_is_booked_once_however_often_it_is_said(
    fhir: Server, doctor: Json, patient: str
) -> None:
    first = (await find(fhir, patient_reference=f"Patient/{patient}"))[0]
    proposed = f"Appointment/{first['id']}"
    held = visit_in(await call(fhir, "Appointment/$hold", appointment_reference=proposed))
    told = []
    for name in (f"Appointment/{held['id']}", f"Appointment/{held['id']}", proposed):
        answer = await call(
            fhir, "Appointment/$book", appointment_reference=name, comment="Wheelchair"
        )
        told.append(visit_in(answer))
    assert {(one["id"], one["status"], one["comment"]) for one in told} == {
        (held["id"], "booked", "Wheelchair")
    }
    assert doctor["id"]


async def test_a_time_found_for_nobody_is_booked_for_who_is_new(
    clinic: Clinic, fhir: Server, doctor: Json
) -> None:
    first, second = (await find(fhir))[:2]
    name = f"Appointment/{first['id']}"
    refused = await call(fhir, "Appointment/$book", appointment_reference=name)
    assert refused.status_code == 400
    assert refused.json()["issue"][0]["expression"] == ["patient-reference"]
    made = visit_in(await call(
        fhir, "Appointment/$book", appointment_reference=name, patient_resource=SMALL
    ))  # fmt: skip
    [own] = await fhir.ids("Patient")
    assert made["participant"][0]["actor"]["reference"] == f"Patient/{own}"
    other = (await clinic.patient())["id"]
    taken = await call(
        fhir, "Appointment/$book", appointment_reference=name,
        patient_reference=f"Patient/{other}",
    )  # fmt: skip
    assert taken.status_code == 409
    held = await call(
        fhir, "Appointment/$hold", appointment_reference=name,
        patient_reference=f"Patient/{other}",
    )  # fmt: skip
    assert held.status_code == 409
    [fatal, *rest] = held.json()["issue"]
    assert (fatal["severity"], fatal["code"], rest[0]["code"]) == ("fatal", "not-found", "conflict")
    named = {**SMALL, "id": own}
    later = visit_in(await call(
        fhir, "Appointment/$book", appointment_reference=f"Appointment/{second['id']}",
        patient_resource=named,
    ))  # fmt: skip
    assert later["status"] == "booked"
    assert doctor["id"]


async def test_a_booking_is_repeated_by_whom_may_book_alone(
    fhir: Server, doctor: Json, patient: str
) -> None:
    assert doctor["id"]
    proposed, other = (await find(fhir, patient_reference=f"Patient/{patient}"))[:2]
    held = visit_in(await call(
        fhir, "Appointment/$hold", appointment_reference=f"Appointment/{other['id']}"
    ))  # fmt: skip

    async def book(name: str, letters: str = "cr") -> Json:
        scopes = parse_all(f"system/Appointment.{letters}")
        caller = replace(
            fhir.clinic.caller, actor_type="smart_client", scopes=frozenset(), smart_scopes=scopes
        )
        reference = {"reference": f"Appointment/{name}"}
        return await operations_booking.book(caller, Given({"appointment-reference": [reference]}))

    first, again = [(await book(proposed["id"]))["entry"][0]["resource"] for _ in range(2)]
    assert first["id"] == again["id"]
    with pytest.raises(Forbidden):  # the answer is a visit, which is to be read
        await book(proposed["id"], "c")
    for one in (first, held):  # what another may have booked is not taken up
        with pytest.raises(Forbidden):
            await book(one["id"])
    with pytest.raises(Forbidden):
        await book(other["id"])


async def test_a_resource_is_booked_changed_and_cancelled(
    fhir: Server, doctor: Json, patient: str
) -> None:
    whole = appointment(patient, doctor["id"], start=on(9), status="pending")
    made = visit_in(await call(fhir, "Appointment/$book", appointment_resource=whole))
    assert made["status"] == "booked"
    moved = {**made, "start": on(10), "end": on(10, 30)}
    del moved["slot"]
    changed = visit_in(await call(fhir, "Appointment/$book", appointment_resource=moved))
    assert (changed["id"], changed["start"]) == (made["id"], on(10))
    over = {**changed, "status": "cancelled", "cancelationReason": {"text": "Ill"}}
    for _ in range(2):
        gone = visit_in(await call(fhir, "Appointment/$book", appointment_resource=over))
        assert (gone["status"], gone["cancelationReason"]) == ("cancelled", {"text": "Ill"})
    nobody = {**whole, "participant": whole["participant"][1:]}
    filled = visit_in(await call(
        fhir, "Appointment/$book", appointment_resource=nobody,
        patient_reference=f"Patient/{patient}",
    ))  # fmt: skip
    assert filled["participant"][0]["actor"]["reference"] == f"Patient/{patient}"


async def test_a_visit_is_moved_and_keeps_its_id(
    clinic: Clinic, fhir: Server, doctor: Json
) -> None:
    made = await visit(clinic, provider=doctor, scheduled_start=on(9), facility_id=doctor["place"])
    path = f"Appointment/{made['id']}/$reschedule"
    moved = await call(fhir, path, start=on(10), reason="Ill", headers={"If-Match": 'W/"1"'})
    assert moved.status_code == 200, moved.text
    assert (moved.json()["id"], moved.headers["etag"]) == (made["id"], 'W/"2"')
    stale = await call(fhir, path, start=on(10, 30), headers={"If-Match": 'W/"1"'})
    assert stale.status_code == 412
    [free] = [one for one in await find(fhir) if one["start"].endswith("15:30:00Z")]
    slot = free["slot"][0]["reference"]
    again = await call(fhir, path, slot=slot)
    assert again.json()["slot"] == free["slot"]
    closed = await call(fhir, path, start=on(12))
    assert closed.status_code == 422
    assert closed.json()["issue"][0]["expression"] == ["start"]
    other = await visit(clinic, provider=doctor, scheduled_start=on(9), facility_id=doctor["place"])
    taken = await call(fhir, path, start=on(9))
    assert taken.status_code == 409
    gone = await call(
        fhir, f"Appointment/{other['id']}/$cancel",
        reason={"valueCodeableConcept": {"coding": [{"display": "Weather"}]}},
    )  # fmt: skip
    assert gone.json()["cancelationReason"] == {"text": "Weather"}


async def test_who_and_where_narrow_what_is_found(
    clinic: Clinic, fhir: Server, doctor: Json
) -> None:
    other = await clinic.provider(specializations=["Nephrology"])
    npi = {"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": doctor["npi"]}}
    for values, mine in (
        ({"practitioner": f"Practitioner/{doctor['id']}"}, True),
        ({"practitioner": {"valueReference": npi}}, True),
        ({"location_reference": f"Location/{doctor['place']}"}, True),
        ({"location_string": "Springfield", "specialty": "Endocrinology"}, True),
        ({"organization": f"Organization/{clinic.tenant_id}", "_count": 1000}, None),
        ({"specialty": "Nephrology", "_count": 1000}, False),
        ({"practitioner": f"Practitioner/{other['id']}"}, False),
    ):
        found = await find(fhir, **values)
        who = {one["participant"][0]["actor"]["reference"] for one in found}
        own, theirs = f"Practitioner/{doctor['id']}", f"Practitioner/{other['id']}"
        assert who == ({own, theirs} if mine is None else {own if mine else theirs}), values
    assert await find(fhir, location_string="Atlantis") == []
    assert await find(fhir, organization=f"Organization/{uuid4()}") == []
    assert await find(fhir, practitioner=f"Practitioner/{uuid4()}") == []


async def test_a_kind_of_visit_is_found_and_booked_as_such(
    clinic: Clinic, fhir: Server, doctor: Json, patient: str
) -> None:
    await clinic.make("/visit-types", {"code": "long", "name": "L", "duration_minutes": 90})
    found = await find(fhir, visit_type="long", patient_reference=f"Patient/{patient}")
    assert [one["minutesDuration"] for one in found] == [90, 90]
    name = f"Appointment/{found[0]['id']}"
    made = visit_in(await call(fhir, "Appointment/$book", appointment_reference=name))
    assert (made["minutesDuration"], made["serviceType"]) == (90, found[0]["serviceType"])
    assert doctor["id"]


async def test_what_is_wrong_with_parameters_is_all_said(
    fhir: Server, doctor: Json, patient: str
) -> None:
    for path, values, places in (
        ("$find", {"start": "2026-01-01"}, {"end"}),
        ("$find", {"start": "x", "end": "2026-01-01", "nonsense": "1"}, None),
        ("$find", {"start": str(DAY), "end": str(DAY + timedelta(days=200))}, {"start"}),
        ("$find", {"start": str(DAY), "end": str(DAY), "visit_type": "none"}, {"visit-type"}),
        ("$find", {"start": str(DAY), "end": str(DAY), "practitioner": "Patient/x"},
         {"practitioner"}),
        ("$hold", {}, {"appointment-reference"}),
        ("$hold", {"appointment_reference": "Appointment/x", "comment": "1"},
         {"Parameters.parameter[1]"}),
        ("$book", {}, {"appointment-reference"}),
        ("$book", {"appointment_reference": "Appointment/x"}, {"appointment-reference"}),
        (f"{uuid4()}/$reschedule", {}, {"start"}),
        (f"{uuid4()}/$reschedule", {"slot": "Slot/x"}, {"slot"}),
    ):  # fmt: skip
        refused = await call(fhir, f"Appointment/{path}", **values)
        assert refused.status_code == 400, (path, refused.text)
        if places is not None:
            assert {one["expression"][0] for one in refused.json()["issue"]} == places
    for path, values in (
        (f"{uuid4()}/$cancel", {}),
        ("x/$cancel", {}),
        (f"{uuid4()}/$reschedule", {"start": start()}),
        ("$book", {"appointment_reference": f"Appointment/{uuid4()}"}),
    ):
        gone = await call(fhir, f"Appointment/{path}", **values)
        assert gone.status_code == 404, (path, gone.text)
    assert (doctor["id"], patient) != ("", "")
    assert await fhir.ids("Appointment") == []


async def test_another_clinics_times_and_visits_are_none(
    clinic: Clinic, fhir: Server, other_fhir: Server, doctor: Json, patient: str
) -> None:
    first = (await find(fhir, patient_reference=f"Patient/{patient}"))[0]
    name = f"Appointment/{first['id']}"
    assert (await call(other_fhir, "Appointment/$book", appointment_reference=name)
            ).status_code == 404  # fmt: skip
    stranger = await find(other_fhir)
    assert stranger == []
    refused = await call(
        other_fhir, "Appointment/$find", start=str(DAY), end=str(DAY),
        patient_reference=f"Patient/{patient}",
    )  # fmt: skip
    assert refused.status_code == 200
    made = await visit(clinic, provider=doctor, scheduled_start=on(9), facility_id=doctor["place"])
    for operation in ("$cancel", "$reschedule"):
        path = f"Appointment/{made['id']}/{operation}"
        gone = await call(other_fhir, path, **({"start": on(10)} if "r" in operation else {}))
        assert gone.status_code in {400, 404}
    assert (await fhir.read("Appointment", made["id"]))["status"] == "booked"
    time = Time(uuid4(), uuid4(), datetime.now(UTC), 30)
    assert (await other_fhir.send("GET", f"/Slot/{slot_id(time)}")).status_code == 404


async def test_metadata_names_each_operation(fhir: Server) -> None:
    told = (await fhir.send("GET", "/metadata")).json()["rest"][0]["resource"]
    [one] = [each for each in told if each["type"] == "Appointment"]
    names = {each["name"] for each in one["operation"]}
    assert names == {"find", "hold", "book", "reschedule", "cancel", "validate"}


async def test_what_is_not_taken_into_account_is_said(
    fhir: Server, doctor: Json, patient: str
) -> None:
    span = {"start": str(DAY), "end": str(DAY)}
    idle = await call(fhir, "Appointment/$find", **span, reason="urn:x|cough")
    [*_, last] = idle.json()["entry"]
    assert last["search"]["mode"] == "outcome"
    assert last["resource"]["issue"][0]["diagnostics"] == "reason is not taken into account"
    known = {**SMALL, "id": patient}
    by_resource = await find(fhir, patient_resource=known)
    assert by_resource[0]["participant"][0]["actor"]["reference"] == f"Patient/{patient}"
    for values, status, place in (
        ({"patient_reference": f"Patient/{uuid4()}"}, 422, "patient-reference"),
        ({"_count": "many"}, 400, "_count"),
        ({"visit_type": "urn:other|visit"}, 400, "visit-type"),
    ):
        refused = await call(fhir, "Appointment/$find", **{**span, **values})
        assert refused.status_code == status, refused.text
        assert refused.json()["issue"][0]["expression"] == [place]
    dates = await fhir.send("GET", "/Appointment/$find?start=soon&end=ge2027")
    assert [one["expression"] for one in dates.json()["issue"]] == [["start"], ["end"]]
    times = {"start": on(9, 15), "end": on(10, 15)}
    assert [one["start"][11:16] for one in await find(fhir, **times)] == ["14:30"]
    assert doctor["id"]


async def test_a_proposal_is_for_whom_it_was_found(
    clinic: Clinic, fhir: Server, doctor: Json, patient: str
) -> None:
    other = (await clinic.patient())["id"]
    first = (await find(fhir, patient_reference=f"Patient/{patient}"))[0]
    name = f"Appointment/{first['id']}"
    for operation in ("$hold", "$book"):
        refused = await call(
            fhir, f"Appointment/{operation}", appointment_reference=name,
            patient_reference=f"Patient/{other}",
        )  # fmt: skip
        assert refused.status_code == 400, refused.text
    held = visit_in(await call(fhir, "Appointment/$hold", appointment_reference=name))
    refused = await call(
        fhir, "Appointment/$book", appointment_reference=f"Appointment/{held['id']}",
        patient_reference=f"Patient/{other}",
    )  # fmt: skip
    assert refused.status_code == 400
    nothing = f"Appointment/{first['id'][:-6]}AAAAAA"  # of a kind of visit that there is not
    gone = await call(fhir, "Appointment/$book", appointment_reference=nothing)
    assert gone.status_code in {400, 404}
    assert (await fhir.read("Appointment", held["id"]))["status"] == "pending"
    assert doctor["id"]
