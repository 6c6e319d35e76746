"""The same POST twice has one effect and one answer."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx

from chroniccare.platform.postgres import Command, begin
from chroniccare.tenancy.idempotency import KEPT, fingerprint, forget_old
from tests.client import Clinic

KEYS = Command("SELECT count(*) FROM idempotency_keys")
PATIENTS = Command("SELECT count(*) FROM patients")
AUDITED = Command("SELECT count(*) FROM audit_logs WHERE action = 'create'")
EVENTS = Command("SELECT count(*) FROM outbox")


async def counted(clinic: Clinic, command: Command) -> int:
    async with begin(clinic.caller) as tx:
        return int(await tx.value(command))


def told(response: httpx.Response) -> tuple[int, Any, str | None, str | None]:
    """Return what an answer says, without what differs with each request."""
    headers = response.headers
    return (
        response.status_code,
        response.json().get("data"),
        headers.get("etag"),
        headers.get("location"),
    )


async def test_a_repeated_post_answers_the_same_and_does_nothing(clinic: Clinic) -> None:
    body, headers = clinic.patient_body(), {"Idempotency-Key": "visit 1"}
    first = await clinic.post("/patients", body, headers=headers)
    assert "idempotent-replayed" not in first.headers
    for _ in range(3):
        again = await clinic.post("/patients", body, headers=headers)
        assert told(again) == told(first)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.json()["meta"]["requestId"] != first.json()["meta"]["requestId"]
    for command in (PATIENTS, AUDITED, EVENTS, KEYS):
        assert await counted(clinic, command) == 1


async def test_the_key_with_another_request_is_refused(clinic: Clinic) -> None:
    headers = {"Idempotency-Key": "k"}
    await clinic.post("/patients", clinic.patient_body(), headers=headers)
    other = await clinic.post("/patients", clinic.patient_body(), headers=headers)
    assert other.status_code == 422
    assert other.json()["error"]["code"] == "IDEMPOTENCY_MISMATCH"
    elsewhere = await clinic.post("/facilities", clinic.facility_body(), headers=headers)
    assert elsewhere.status_code == 422
    assert await counted(clinic, PATIENTS) == 1


async def test_each_clinic_has_keys_of_its_own(clinic: Clinic, other_clinic: Clinic) -> None:
    headers = {"Idempotency-Key": "k"}
    body = clinic.patient_body()
    one = await clinic.post("/patients", body, headers=headers)
    two = await other_clinic.post("/patients", body, headers=headers)
    assert (one.status_code, two.status_code) == (201, 201)
    assert one.json()["data"]["id"] != two.json()["data"]["id"]


async def test_twenty_at_once_make_one_record_and_get_one_answer(clinic: Clinic) -> None:
    body, headers = clinic.patient_body(), {"Idempotency-Key": "k"}
    answers = await asyncio.gather(
        *(clinic.post("/patients", body, headers=headers) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({str(told(answer)) for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    for command in (PATIENTS, AUDITED, EVENTS, KEYS):
        assert await counted(clinic, command) == 1


async def test_a_failure_keeps_nothing_and_can_be_repeated(clinic: Clinic) -> None:
    await clinic.patient(mrn="A-1")
    headers = {"Idempotency-Key": "k"}
    refused = await clinic.post("/patients", clinic.patient_body(mrn="A-1"), headers=headers)
    assert refused.status_code == 409
    assert await counted(clinic, KEYS) == 0
    made = await clinic.post("/patients", clinic.patient_body(mrn="A-2"), headers=headers)
    assert made.status_code == 201


async def test_without_a_key_each_post_counts(clinic: Clinic) -> None:
    await clinic.patient()
    await clinic.patient()
    assert await counted(clinic, PATIENTS) == 2
    assert await counted(clinic, KEYS) == 0


async def test_old_answers_are_forgotten(clinic: Clinic) -> None:
    for number in range(3):
        headers = {"Idempotency-Key": f"k{number}"}
        await clinic.post("/patients", clinic.patient_body(), headers=headers)
    age = Command(
        "UPDATE idempotency_keys SET created_at = created_at - $1::interval WHERE key = 'k0'"
    )
    async with begin(clinic.caller) as tx:
        await tx.run(age, KEPT + timedelta(seconds=1))
    async with begin(clinic.caller) as tx:
        assert await forget_old(tx) == 1
    assert await counted(clinic, KEYS) == 2


def test_a_fingerprint_is_of_the_whole_request() -> None:
    prints = {
        fingerprint("POST", "/a", b"x"),
        fingerprint("PUT", "/a", b"x"),
        fingerprint("POST", "/b", b"x"),
        fingerprint("POST", "/a", b"y"),
        fingerprint("POST", "/a", b""),
        fingerprint("POST", "/a", b"x", scopes=frozenset({"patients:read"})),
    }
    assert len(prints) == 6
    assert fingerprint("POST", "/a", b"x") in prints
