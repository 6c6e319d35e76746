"""Slots: worked out, with ids that stay; booked through Appointment.slot."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core.caller import system
from chroniccare.fhir.resources.slot import Time, opened, slot_id
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.rules import SCOPES
from tests.client import Clinic
from tests.fhir.hours import DAY, on
from tests.fhir.server import Server, visit


async def found(fhir: Server, query: str = "") -> list[tuple[str, str]]:
    """Return state and local start of the Slots of DAY."""
    bundle = await fhir.search(f"Slot?start={DAY}{query}")
    return [
        (one["resource"]["status"], datetime.fromisoformat(one["resource"]["start"])
         .astimezone(datetime.fromisoformat(on(9)).tzinfo).strftime("%H:%M"))
        for one in bundle.get("entry", [])
        if one["search"]["mode"] == "match"
    ]  # fmt: skip


async def book(clinic: Clinic, doctor: dict[str, Any], at: str) -> dict[str, Any]:
    return await visit(clinic, provider=doctor, scheduled_start=at, facility_id=doctor["place"])


async def test_the_hours_are_slots_free_and_taken_and_set_aside(
    clinic: Clinic, fhir: Server, doctor: dict[str, Any]
) -> None:
    await book(clinic, doctor, on(9, 30))
    off = {"day": str(DAY), "start_time": "10:30", "end_time": "11:00"}
    await clinic.make(f"/providers/{doctor['id']}/exceptions", off)
    every = [("free", "09:00"), ("busy", "09:30"), ("free", "10:00"), ("busy-unavailable", "10:30")]
    assert await found(fhir) == every
    assert await found(fhir, "&status=free") == [every[0], every[2]]
    assert await found(fhir, "&status=busy,busy-unavailable") == [every[1], every[3]]
    assert await found(fhir, f"&start=ge{on(10)}".replace("+", "%2B")) == every[2:]
    bundle = await fhir.search(f"Slot?start={DAY}")
    for one in bundle["entry"]:
        assert await fhir.read("Slot", one["resource"]["id"]) == one["resource"]


async def test_pages_and_counts(fhir: Server, doctor: dict[str, Any]) -> None:
    ids: list[str] = []
    page: dict[str, Any] | None
    page = await fhir.search(f"Slot?start={DAY}&_count=1&_total=accurate")
    while page is not None:
        assert page["total"] == 4
        ids += [one["resource"]["start"] for one in page["entry"]]
        page = await fhir.next(page)
    assert len(ids) == 4
    assert ids == sorted(set(ids))
    counted = await fhir.search(f"Slot?start={DAY}&_summary=count")
    assert (counted["total"], "entry" in counted) == (4, False)
    assert doctor["id"]


async def test_by_schedule_and_with_it(
    clinic: Clinic, fhir: Server, doctor: dict[str, Any]
) -> None:
    await clinic.provider()  # who works all day elsewhere
    [schedule] = await fhir.ids(f"Schedule?actor=Practitioner/{doctor['id']}")
    for query in (
        f"&schedule=Schedule/{schedule}",
        f"&schedule={schedule}",
        f"&schedule.actor=Practitioner/{doctor['id']}",
        f"&schedule.actor:Practitioner={doctor['id']}",
        f"&schedule.actor=Location/{doctor['place']}",
    ):
        assert len(await found(fhir, query)) == 4, query
    assert await found(fhir, f"&schedule={uuid4()}") == []
    bundle = await fhir.search(
        f"Slot?start={DAY}&schedule={schedule}&_include=Slot:schedule&_elements=status"
    )
    kinds = [one["resource"]["resourceType"] for one in bundle["entry"]]
    assert kinds == ["Slot"] * 4 + ["Schedule"]
    assert bundle["entry"][4]["resource"]["id"] == schedule
    assert {one["resource"]["schedule"]["reference"] for one in bundle["entry"][:4]} == {
        f"Schedule/{schedule}"
    }
    by_form = await fhir.send("POST", "/Slot/_search", data={"start": str(DAY), "_total": "none"})
    assert len(by_form.json()["entry"]) == 20


async def test_a_kind_of_visit_has_its_length(
    clinic: Clinic, fhir: Server, doctor: dict[str, Any]
) -> None:
    await clinic.make("/visit-types", {"code": "long", "name": "L", "duration_minutes": 90})
    assert await found(fhir, "&service-type=long") == [("free", "09:00"), ("free", "09:30")]
    assert await found(fhir, "&service-type=urn:other|long") == []
    assert doctor["id"]


async def test_a_visit_books_its_slot(clinic: Clinic, fhir: Server, doctor: dict[str, Any]) -> None:
    bundle = await fhir.search(f"Slot?start={DAY}&status=free")
    wanted = bundle["entry"][1]["resource"]
    patient = (await clinic.patient())["id"]
    body = {
        "resourceType": "Appointment",
        "status": "booked",
        "slot": [{"reference": f"Slot/{wanted['id']}"}],
        "participant": [{"actor": {"reference": f"Patient/{patient}"}, "status": "accepted"}],
    }
    bare = await fhir.send("POST", "/Appointment", json=body)
    assert bare.status_code == 400  # app-3: what is booked has its times, or it is proposed
    made = await fhir.send("POST", "/Appointment", json={**body, "status": "proposed"})
    assert made.status_code == 201, made.text
    held = {**made.json(), "status": "booked"}
    said = (await fhir.send("PUT", f"/Appointment/{held['id']}", json=held)).json()
    body |= {"start": wanted["start"], "end": wanted["end"]}
    assert (said["slot"], said["start"], said["end"]) == (
        body["slot"], wanted["start"], wanted["end"]
    )  # fmt: skip
    actors = {one["actor"]["reference"] for one in said["participant"]}
    assert actors == {
        f"Patient/{patient}", f"Practitioner/{doctor['id']}", f"Location/{doctor['place']}"
    }  # fmt: skip
    assert (await fhir.read("Slot", wanted["id"]))["status"] == "busy"
    again = await fhir.send("POST", "/Appointment", json=body)
    assert again.status_code == 409
    moved = {**said, "start": on(9), "end": on(9, 30)}
    answer = await fhir.send("PUT", f"/Appointment/{said['id']}", json=moved)
    assert answer.status_code == 200, answer.text
    first = bundle["entry"][0]["resource"]["id"]
    assert answer.json()["slot"] == [{"reference": f"Slot/{first}"}]
    assert (await fhir.read("Slot", wanted["id"]))["status"] == "free"
    cancelled = {**answer.json(), "status": "cancelled"}
    gone = await fhir.send("PUT", f"/Appointment/{said['id']}", json=cancelled)
    assert "slot" not in gone.json()


async def test_a_visit_that_contradicts_its_slot_is_refused(
    clinic: Clinic, fhir: Server, doctor: dict[str, Any]
) -> None:
    bundle = await fhir.search(f"Slot?start={DAY}")
    own = {"reference": f"Slot/{bundle['entry'][0]['resource']['id']}"}
    patient = {"actor": {"reference": f"Patient/{(await clinic.patient())['id']}"},
               "status": "accepted"}  # fmt: skip
    other = {"actor": {"reference": f"Practitioner/{uuid4()}"}, "status": "accepted"}
    body = {"resourceType": "Appointment", "status": "proposed", "participant": [patient]}
    for change, place in (
        ({"slot": [own, own]}, "Appointment.slot"),
        ({"slot": [{"reference": f"Slot/{uuid4()}"}]}, "Appointment.slot"),
        ({"slot": [own], "start": on(12), "end": on(13)}, "Appointment.start"),
        ({"slot": [own], "participant": [patient, other]}, "Appointment.participant"),
    ):
        refused = await fhir.send("POST", "/Appointment", json={**body, **change})
        assert refused.status_code == 422, refused.text
        assert refused.json()["issue"][0]["expression"] == [place]
    assert doctor["id"]
    assert await fhir.ids("Appointment") == []


async def test_what_cannot_be_asked(fhir: Server) -> None:
    for query, names in (
        ("", {"start"}),
        ("start=ge2026-01-01", {"start"}),
        (f"start=ge{DAY}&start=lt{DAY + timedelta(days=200)}", {"start"}),
        (f"start=ne{DAY}&status:not=free&_sort=-start", {"start", "status:not", "_sort"}),
        (f"start={DAY},{DAY}", {"start"}),
        (f"start={DAY}&nonsense=1", {"nonsense"}),
        (f"start={DAY}&service-type=a,b", {"service-type"}),
        (f"start={DAY}&_include=Slot:nothing", {"_include"}),
    ):
        refused = await fhir.send("GET", f"/Slot?{query}")
        assert refused.status_code == 400, query
        assert {one["expression"][0] for one in refused.json()["issue"]} == names


async def test_another_clinics_slot_was_never_there(
    fhir: Server, other_fhir: Server, doctor: dict[str, Any]
) -> None:
    bundle = await fhir.search(f"Slot?start={DAY}")
    own = bundle["entry"][0]["resource"]["id"]
    nowhere = slot_id(Time(uuid4(), uuid4(), datetime(2027, 1, 1, tzinfo=UTC), 30))
    night = slot_id(Time(
        UUID(doctor["id"]), UUID(doctor["place"]),
        datetime.fromisoformat(on(3)), 30,
    ))  # fmt: skip
    for server, name in (
        (other_fhir, own), (fhir, nowhere), (fhir, night), (fhir, "x"), (fhir, own + "A"),
    ):  # fmt: skip
        assert (await server.send("GET", f"/Slot/{name}")).status_code == 404
    assert await other_fhir.ids(f"Slot?start={DAY}") == []


async def test_a_key_without_the_scope_sees_none(clinic: Clinic, anonymous: Any) -> None:
    pepper = clinic.app.state.authority.pepper
    async with begin(system(clinic.tenant_id, job="test")) as tx:
        scopes = SCOPES - {"appointments:read"}
        key = await create_key(tx, pepper=pepper, name="weak", scopes=scopes)
    for path in (f"/fhir/Slot?start={DAY}", "/fhir/Slot/x"):
        refused = await anonymous.get(path, headers={"X-API-Key": key})
        assert refused.status_code == 403


@given(
    st.uuids(), st.uuids(),
    st.datetimes(datetime(1971, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(1, 1440),
)  # fmt: skip
def test_an_id_says_its_time(provider: Any, place: Any, start: datetime, minutes: int) -> None:
    time = Time(provider, place, start.replace(second=0, microsecond=0), minutes)
    name = slot_id(time)
    assert opened(name) == time
    assert len(name) <= 64
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.")


async def schedule_of(fhir: Server, doctor: dict[str, Any]) -> str:
    [schedule] = await fhir.ids(f"Schedule?actor=Practitioner/{doctor['id']}")
    return schedule


async def write(fhir: Server, schedule: str, status: str, first: str, last: str) -> Any:
    body = {"resourceType": "Slot", "schedule": {"reference": f"Schedule/{schedule}"},
            "status": status, "start": first, "end": last, "comment": "Conference"}  # fmt: skip
    return await fhir.send("POST", "/Slot", json=body)


async def test_a_time_is_set_aside_and_given_back(
    clinic: Clinic, fhir: Server, doctor: dict[str, Any]
) -> None:
    schedule = await schedule_of(fhir, doctor)
    made = await write(fhir, schedule, "busy-unavailable", on(9, 30), on(10, 30))
    assert made.status_code == 201, made.text
    said = made.json()
    assert made.headers["location"].endswith(f"/fhir/Slot/{said['id']}")
    assert await fhir.read("Slot", said["id"]) == said
    aside = [("free", "09:00"), ("busy-unavailable", "09:30"), ("busy-unavailable", "10:00"),
             ("free", "10:30")]  # fmt: skip
    assert await found(fhir) == aside
    listed = await clinic.get(f"/providers/{doctor['id']}/exceptions")
    [one] = listed.json()["data"]["items"]
    assert (one["start_time"], one["end_time"], one["reason"]) == ("09:30", "10:30", "Conference")
    again = await write(fhir, schedule, "busy-unavailable", on(9, 30), on(10, 30))
    assert (again.status_code, await found(fhir)) == (200, aside)
    part = await write(fhir, schedule, "free", on(9, 30), on(10))
    assert part.status_code == 422  # a longer time off stands in the way
    path = f"/Slot/{said['id']}"
    back = await fhir.send("PUT", path, json={**said, "status": "free"})
    assert (back.status_code, back.json()["status"]) == (200, "free"), back.text
    assert [state for state, _ in await found(fhir)] == ["free"] * 4
    listed = await clinic.get(f"/providers/{doctor['id']}/exceptions")
    assert listed.json()["data"]["items"] == []


async def test_hours_are_added_and_booked(
    clinic: Clinic, fhir: Server, doctor: dict[str, Any]
) -> None:
    schedule = await schedule_of(fhir, doctor)
    made = await write(fhir, schedule, "free", on(20), on(20, 45))
    assert made.status_code == 201, made.text
    assert made.json()["status"] == "free"
    assert ("free", "20:00") in await found(fhir)
    await book(clinic, doctor, on(20))
    assert (await fhir.read("Slot", made.json()["id"]))["status"] == "busy"
    stranded = await write(fhir, schedule, "busy-unavailable", on(20), on(20, 45))
    assert stranded.status_code == 409
    assert stranded.json()["issue"][0]["details"]["coding"][0]["code"] == "STRANDED_VISITS"


async def test_what_no_slot_can_be_written_as(
    fhir: Server, other_fhir: Server, doctor: dict[str, Any]
) -> None:
    schedule = await schedule_of(fhir, doctor)
    for status, first, last, code, place in (
        ("busy", on(9), on(10), 422, "Slot.status"),
        ("odd", on(9), on(10), 400, "Slot.status"),
        ("free", on(10), on(9), 422, "Slot.end"),
        ("free", f"{DAY}T09:00:30-05:00", on(10), 422, "Slot.start"),
        ("free", "2020-01-01T09:00:00-05:00", "2020-01-01T10:00:00-05:00", 422, "Slot.start"),
    ):
        refused = await write(fhir, schedule, status, first, last)
        assert refused.status_code == code, refused.text
        assert refused.json()["issue"][0]["expression"] == [place]
    assert (await write(other_fhir, schedule, "free", on(9), on(10))).status_code == 422
    slot = (await fhir.search(f"Slot?start={DAY}"))["entry"][0]["resource"]
    path = f"/Slot/{slot['id']}"
    for server, where, change, code in (
        (fhir, path, {"id": "x"}, 400),
        (fhir, path, {"start": on(9, 10)}, 422),
        (fhir, "/Slot/x", {"id": "x"}, 404),
        (other_fhir, path, {}, 404),
    ):
        answer = await server.send("PUT", where, json={**slot, **change})
        assert answer.status_code == code, answer.text
    assert [state for state, _ in await found(fhir)] == ["free"] * 4


async def test_slots_of_who_has_gone_and_pages_that_are_not_ours(
    clinic: Clinic, fhir: Server, doctor: dict[str, Any]
) -> None:
    page = await fhir.search(f"Slot?start={DAY}&_count=1")
    [link] = [one["url"] for one in page["link"] if one["relation"] == "next"]
    query = link.partition("/fhir")[2]
    for wrong in (query[:-1] + "A" * (query[-1] != "A"), query.replace(str(DAY), "2027-01-01")):
        assert (await fhir.send("GET", wrong)).status_code == 400
    lenient = await fhir.search(
        f"Slot?start={DAY}&nonsense=1", headers={"Prefer": "handling=lenient"}
    )
    assert lenient["entry"][-1]["search"]["mode"] == "outcome"
    one = page["entry"][0]["resource"]
    assert await found(fhir, f"&_id={one['id']}") == [("free", "09:00")]
    whole = await clinic.get(f"/providers/{doctor['id']}")
    body = {**clinic.provider_body(), "npi": doctor["npi"], "is_active": False,
            "facilities": [{"facility_id": doctor["place"], "is_primary": True}]}  # fmt: skip
    path = f"/providers/{doctor['id']}"
    put = await clinic.put(path, body, headers={"If-Match": whole.headers["etag"]})
    assert put.status_code == 200, put.text
    assert (await fhir.read("Slot", one["id"]))["status"] == "busy-unavailable"
    assert await found(fhir) == []
