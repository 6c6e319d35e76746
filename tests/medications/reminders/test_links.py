"""Doses are marked by the link in a reminder."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from chroniccare.core import signed
from tests.conftest import PEPPER
from tests.medications.support import Ward
from tests.notifications.opening import BORN, unlocked
from tests.notifications.support import NOON

IN_AN_HOUR = NOON + timedelta(hours=1)
_LINK = re.compile(r"http://127\.0\.0\.1:8000(/doses/[A-Za-z0-9_-]{72})\b")


async def reminded(
    ward: Ward, *, names: tuple[str, ...] = ("Metformin",), **fields: Any
) -> tuple[UUID, list[UUID], str]:
    """Remind a patient of doses by email; return the patient, the doses and the link's path."""
    preferences = {"channels": ["email"]}
    patient = await ward.bench.patient(communication_preferences=preferences, **fields)
    drugs = [await ward.medication(patient, medication_name=name) for name in names]
    made = [await ward.dose(patient, drug, IN_AN_HOUR) for drug in drugs]
    sent = await ward.at(IN_AN_HOUR)
    return patient, made, path_in(sent[-1].body)


def path_in(body: str) -> str:
    found = _LINK.search(body)
    assert found is not None, body
    return found[1]


async def states(ward: Ward, doses: list[UUID]) -> list[tuple[str, str | None]]:
    return [(one.state, one.source) for one in await ward.doses(*doses)]


async def test_the_date_of_birth_comes_before_any_detail(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    patient, doses, path = await reminded(ward)
    before = await states(ward, doses)
    for method in ("HEAD", "GET"):
        asked = await anonymous.request(method, path)
        assert asked.status_code == 200
    wrong = await anonymous.post(path, data=BORN | {"year": "1962"})
    forced = await anonymous.post(f"{path}/taken")
    for page, status in ((asked, 200), (wrong, 422), (forced, 422)):
        assert page.status_code == status
        for told in ("Metformin", "500 mg", "1:00 PM", "Maria", str(patient)):
            assert told not in page.text
    assert await states(ward, doses) == before
    page, _ = await unlocked(anonymous, path)
    assert "<h2>Metformin 500 mg</h2>" in page.text
    assert "Planned for Tue, Mar 4 at 1:00 PM EST" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert await states(ward, doses) == before
    query = {"user_type": "dose_link", "action": "read"}
    entries = (await ward.clinic.get("/audit", params=query)).json()["data"]["items"]
    assert [(one["entity_type"], one["metadata"]["outcome"]) for one in entries] == [
        ("medication", "success"), ("patient", "refused"),
    ]  # fmt: skip


async def test_a_dose_is_marked_however_often_and_corrected_while_it_can_be(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    _, doses, path = await reminded(ward)
    ward.clock.forward(minutes=5)
    _, proof = await unlocked(anonymous, path)
    for _ in range(2):
        page = await anonymous.post(f"{path}/taken", data=proof)
        assert (page.status_code, "Noted: taken." in page.text) == (200, True)
    [dose] = await ward.doses(*doses)
    assert (dose.state, dose.source, dose.taken_at) == ("taken", "patient", ward.clock.at)
    reports = {"entity_type": "medication_adherence", "user_type": "dose_link"}
    entries = (await ward.clinic.get("/audit", params=reports)).json()["data"]["items"]
    assert len(entries) == 1
    page = await anonymous.post(f"{path}/skipped", data=proof | {"dose": str(doses[0])})
    assert "Noted: not taken." in page.text
    assert await states(ward, doses) == [("skipped", "patient")]
    ward.clock.forward(hours=4)
    page, late = await unlocked(anonymous, path)
    assert ("Noted: not taken." in page.text, page.text.count("<form")) == (True, 0)
    assert late == {}


async def test_several_are_marked_one_by_one_or_at_once(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    names = ("Metformin", "<script>alert(1)</script>", "Zinc")
    _, doses, path = await reminded(ward, names=names)
    page, proof = await unlocked(anonymous, path)
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text
    assert page.text.count("<form") == 7
    page = await anonymous.post(f"{path}/skipped", data=proof | {"dose": str(doses[1])})
    assert "I took all of them" in page.text
    page = await anonymous.post(f"{path}/taken", data=proof)
    assert "I took all of them" not in page.text
    found = {one.id: (one.state, one.source) for one in await ward.doses(*doses)}
    assert [found[one] for one in doses] == [
        ("taken", "patient"), ("skipped", "patient"), ("taken", "patient"),
    ]  # fmt: skip


async def test_what_staff_noted_stands(ward: Ward, anonymous: httpx.AsyncClient) -> None:
    patient, doses, path = await reminded(ward)
    _, proof = await unlocked(anonymous, path)
    await ward.settle(patient, *doses)
    page = await anonymous.post(f"{path}/skipped", data=proof)
    assert (page.status_code, "Noted: taken." in page.text) == (409, True)
    assert await states(ward, doses) == [("taken", "staff")]


async def test_a_dose_of_somebody_else_is_not_marked(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    _, others, _ = await reminded(ward)
    other = await states(ward, others)
    patient = await ward.bench.patient(communication_preferences={"channels": ["email"]})
    later = IN_AN_HOUR + timedelta(hours=2)
    await ward.dose(patient, await ward.medication(patient), later)
    path = path_in((await ward.at(later))[-1].body)
    _, proof = await unlocked(anonymous, path)
    for dose in (others[0], uuid4()):
        answer = await anonymous.post(f"{path}/taken", data=proof | {"dose": str(dose)})
        assert answer.status_code == 409
    assert (await anonymous.post(f"{path}/taken", data=proof | {"dose": "x"})).status_code == 400
    assert (await anonymous.post(f"{path}/eaten", data=proof)).status_code == 400
    assert await states(ward, others) == other


async def test_a_caregivers_link_reports_as_theirs(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    patient = await ward.bench.patient(communication_preferences={"channels": ["email"]})
    person = {
        "name": "Lucia", "relationship": "daughter", "categories": ["medications"],
        "contact_info": {"telecom": [{"system": "email", "value": "lucia@example.com"}]},
        "consents": {"email": True},
    }  # fmt: skip
    made = await ward.clinic.post(f"/patients/{patient}/related-persons", person)
    assert made.is_success, made.text
    dose = await ward.dose(patient, await ward.medication(patient), IN_AN_HOUR)
    links = {path_in(one.body) for one in await ward.at(IN_AN_HOUR)}
    assert len(links) == 2
    sources = set()
    for path in links:
        _, proof = await unlocked(anonymous, path)
        for step in ("taken", "skipped"):
            assert (await anonymous.post(f"{path}/{step}", data=proof)).status_code == 200
        sources.add((await states(ward, [dose]))[0])
    assert sources == {("skipped", "patient"), ("skipped", "caregiver")}


async def test_a_link_ends_and_a_forged_one_is_unknown(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    patient, doses, path = await reminded(ward, language="es")
    token = path.rpartition("/")[2]
    tenant = ward.clinic.tenant_id
    of_a_visit = signed.dated_token(
        b"chroniccare visit answer, version 1\0", tenant, doses[0], IN_AN_HOUR, PEPPER
    )
    unknown = signed.dated_token(
        b"chroniccare doses, version 1\0", tenant, uuid4(), IN_AN_HOUR, PEPPER
    )
    for one in (token[:-1] + "B", "x" * 72, of_a_visit, unknown):
        for method, rest in (("GET", ""), ("POST", ""), ("POST", "/taken")):
            answer = await anonymous.request(method, f"/doses/{one}{rest}")
            assert (answer.status_code, "This link does not work" in answer.text) == (404, True)
    ward.clock.at = IN_AN_HOUR + timedelta(days=1)
    for page in (await anonymous.get(path), await anonymous.post(path, data=BORN)):
        assert (page.status_code, "Este aviso ya no vale" in page.text) == (200, True)
        assert "Metformin" not in page.text
    ward.clock.at = IN_AN_HOUR
    await ward.change(
        patient, "UPDATE medication_doses SET state = 'cancelled' WHERE id = $1", doses[0]
    )
    assert (await anonymous.get(path)).status_code == 404


async def test_a_link_has_a_bucket_and_dates_are_not_guessed(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    _, _, path = await reminded(ward)
    codes = [
        (await anonymous.post(path, data=BORN | {"day": str(day)})).status_code
        for day in range(13, 20)
    ]
    assert codes == [422] * 6 + [429]
    assert (await anonymous.post(path, data=BORN)).status_code == 429
    codes = [(await anonymous.get(path)).status_code for _ in range(40)]
    assert (codes[0], codes[-1]) == (200, 429)


async def test_a_text_message_has_the_link_where_the_clinic_asks_by_link(ward: Ward) -> None:
    for asks, there in (("nothing", False), ("reply", False), ("link", True)):
        ward.bench = replace(ward.bench, channels=replace(ward.bench.channels, asks=asks))
        patient = await ward.bench.patient()
        due = ward.clock.at + timedelta(hours=1)
        await ward.dose(patient, await ward.medication(patient), due)
        body = (await ward.at(due))[-1].body
        assert ("/doses/" in body) == there, body
        assert ("Reply TAKEN" in body) == (asks == "reply")


async def test_a_patient_who_was_erased_is_asked_nothing(
    ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    patient, _, path = await reminded(ward)
    _, proof = await unlocked(anonymous, path)
    reason = {"reason": "Asked in writing."}
    assert (await ward.clinic.post(f"/patients/{patient}/erase", reason)).status_code == 201
    placeholder = {"year": "1900", "month": "1", "day": "1"}
    for answer in (
        await anonymous.get(path), await anonymous.post(path, data=placeholder),
        await anonymous.post(f"{path}/taken", data=proof),
    ):  # fmt: skip
        assert (answer.status_code, "no longer in use" in answer.text) == (410, True)
        assert "<form" not in answer.text
