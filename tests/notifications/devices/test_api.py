"""Devices of patients: registered, renewed, moved, removed; their tokens are nobody's to read."""

import asyncio
import logging
from typing import Any
from uuid import UUID, uuid4

import pytest

from chroniccare.notifications.devices import loop, registering
from chroniccare.notifications.devices.registrars import Local, NotNow, Refused
from chroniccare.platform.postgres import Command, begin
from chroniccare.settings import Settings
from tests.client import Clinic, kept_answers
from tests.notifications.support import Bench, eventually

_EVENTS = Command(
    "SELECT array_agg(event_type ORDER BY created_at, id) FROM outbox WHERE entity_type = 'device'"
)
_SAID = Command(
    "SELECT string_agg(t::text, ' ') FROM (SELECT to_jsonb(a) AS t FROM audit_logs a UNION ALL"
    " SELECT to_jsonb(o) FROM outbox o UNION ALL SELECT to_jsonb(k) - 'body'"
    " FROM idempotency_keys k) x"
)
_LEFT = Command("SELECT count(*) FROM patient_devices")


def token() -> str:
    return f"secret-{uuid4()}"


async def devices(clinic: Clinic, patient_id: UUID | str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await clinic.get(f"/patients/{patient_id}/devices")).json()[
        "data"
    ]["items"]
    return found


async def test_a_device_is_registered_and_its_token_is_told_to_nobody(
    clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    patient, secret = await clinic.patient(), token()
    path = f"/patients/{patient['id']}/devices"
    body = {"platform": "fcm", "token": secret, "app": "MyClinic 3.2", "locale": "es"}
    key = {"Idempotency-Key": str(uuid4())}
    answers = [await clinic.post(path, body, headers=key) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 201]
    made = answers[0].json()["data"]
    assert (made["status"], made["app"], made["locale"]) == ("waiting", "MyClinic 3.2", "es")
    await registering.sweep(clinic.tenant_id, Local())
    mine = f"{path}/{made['id']}"
    read = await clinic.get(mine)
    assert (read.json()["data"]["status"], read.headers["etag"]) == ("enabled", '"2"')
    assert (await clinic.get(mine, headers={"If-None-Match": '"2"'})).status_code == 304
    assert await devices(clinic, patient["id"]) == [read.json()["data"]]
    assert (await clinic.delete(mine, headers={"If-Match": '"1"'})).status_code == 412
    assert (await clinic.delete(mine, headers={"If-Match": '"2"'})).status_code == 200
    assert (await clinic.get(mine)).status_code == 404
    assert await devices(clinic, patient["id"]) == []
    await registering.sweep(clinic.tenant_id, Local())
    async with begin(clinic.caller) as tx:
        assert await tx.value(_LEFT) == 0
        assert await tx.value(_EVENTS) == ["device.registered", "device.enabled", "device.removed"]
        said = await tx.value(_SAID)
    said += await kept_answers(clinic)
    assert made["id"] in said
    told = [answer.text for answer in answers] + [read.text, said, caplog.text]
    assert [one for one in told if secret in one] == []


async def test_a_token_names_one_device_and_its_last_patient(clinic: Clinic) -> None:
    first, second, secret = await clinic.patient(), await clinic.patient(), token()
    body = {"platform": "apns", "token": secret}
    made = await clinic.make(f"/patients/{first['id']}/devices", body)
    again = await clinic.make(f"/patients/{first['id']}/devices", {**body, "app": "2.0"})
    assert (again["id"], again["version"], again["app"]) == (made["id"], 2, "2.0")
    moved = await clinic.make(f"/patients/{second['id']}/devices", body)
    assert moved["id"] != made["id"]
    assert await devices(clinic, first["id"]) == []
    both = [
        clinic.post(f"/patients/{one['id']}/devices", {"platform": "fcm", "token": secret})
        for one in (first, second) * 3
    ]
    assert {one.status_code for one in await asyncio.gather(*both)} == {201}
    kept = [
        one
        for patient in (first, second)
        for one in await devices(clinic, patient["id"])
        if one["platform"] == "fcm"
    ]
    assert len(kept) == 1


async def test_another_token_of_a_device_is_registered_anew(clinic: Clinic) -> None:
    patient = await clinic.patient()
    path = f"/patients/{patient['id']}/devices"
    taken = token()
    await clinic.make(path, {"platform": "fcm", "token": taken})
    made = await clinic.make(path, {"platform": "fcm", "token": token()})
    await registering.sweep(clinic.tenant_id, Local())
    mine, body = f"{path}/{made['id']}", {"platform": "fcm", "token": token()}
    assert (await clinic.put(mine, body, headers={"If-Match": '"1"'})).status_code == 412
    changed = await clinic.put(mine, body, headers={"If-Match": '"2"'})
    assert (changed.json()["data"]["status"], changed.headers["etag"]) == ("waiting", '"3"')
    refused = await clinic.put(mine, {"platform": "fcm", "token": taken})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "TOKEN_TAKEN")
    other = await clinic.put(mine, {"platform": "apns", "token": token()})
    assert (other.status_code, other.json()["error"]["details"][0]["field"]) == (422, "platform")


@pytest.mark.parametrize(
    ("field", "value"),
    [("platform", "windows"), ("token", "tiny"), ("token", "with space"), ("token", "ü" * 9),
     ("token", "x" * 2049), ("token", "a\r\nb: cdefgh"), ("locale", "??"), ("app", "x" * 300)],
)  # fmt: skip
async def test_bad_devices_are_refused_by_name(clinic: Clinic, field: str, value: str) -> None:
    patient = await clinic.patient()
    path = f"/patients/{patient['id']}/devices"
    answer = await clinic.post(path, {"platform": "fcm", "token": token(), field: value})
    assert answer.status_code == 400
    assert [one["field"] for one in answer.json()["error"]["details"]] == [field]
    assert value not in answer.text
    assert await devices(clinic, patient["id"]) == []


async def test_a_patient_has_ten_devices_at_most_in_pages(clinic: Clinic) -> None:
    patient = await clinic.patient()
    path = f"/patients/{patient['id']}/devices"
    ids = [
        (await clinic.make(path, {"platform": "fcm", "token": token()}))["id"] for _ in range(10)
    ]
    full = await clinic.post(path, {"platform": "fcm", "token": token()})
    assert (full.status_code, full.json()["error"]["details"][0]["code"]) == (422, "too_many")
    first = (await clinic.get(path, params={"limit": 6})).json()["data"]
    rest = (await clinic.get(path, params={"limit": 6, "cursor": first["next_cursor"]})).json()
    assert [one["id"] for one in first["items"] + rest["data"]["items"]] == ids
    assert (await clinic.get(f"/patients/{uuid4()}/devices")).status_code == 404


class Moody:
    """A registrar that answers as a list says; then it registers."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)

    async def register(self, device: Any) -> str:
        if self.failures:
            raise self.failures.pop(0)
        return f"device:{device.id}"

    async def forget(self, endpoint: str) -> None:
        assert endpoint
        raise NotNow("unavailable")


async def test_a_failed_registration_is_tried_again_later(bench: Bench) -> None:
    patient_id = await bench.patient()
    path = f"/patients/{patient_id}/devices"
    for _ in range(2):
        await bench.clinic.make(path, {"platform": "fcm", "token": token()})
    moody = Moody(NotNow("unreachable"), NotNow("unavailable"), RuntimeError(), Refused("no_good"))
    assert await registering.sweep(bench.clinic.tenant_id, moody) == 2
    found = await devices(bench.clinic, patient_id)
    assert {(one["status"], one["reason"]) for one in found} == {
        ("waiting", "unreachable"), ("waiting", "unavailable"),
    }  # fmt: skip
    assert await registering.sweep(bench.clinic.tenant_id, moody) == 0
    bench.clock.forward(seconds=10)
    assert await registering.sweep(bench.clinic.tenant_id, moody) == 2
    bench.clock.forward(seconds=61)  # one met an error of our own: its minute is over
    assert await registering.sweep(bench.clinic.tenant_id, moody) == 1
    found = await devices(bench.clinic, patient_id)
    assert {one["status"] for one in found} == {"enabled", "disabled"}
    assert {one["reason"] for one in found} == {None, "no_good"}
    on = next(one for one in found if one["status"] == "enabled")
    await bench.clinic.delete(f"{path}/{on['id']}")
    await registering.sweep(bench.clinic.tenant_id, moody)
    assert len(await devices(bench.clinic, patient_id)) == 1
    async with begin(bench.clinic.caller) as tx:
        assert await tx.value(_LEFT) == 2  # the provider has not forgotten it yet


async def test_the_loop_registers_what_is_rung_for(clinic: Clinic, settings: Settings) -> None:
    patient = await clinic.patient()
    await clinic.make(f"/patients/{patient['id']}/devices", {"platform": "fcm", "token": token()})
    bell, stop = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(loop.run(settings, bell=bell, stop=stop))

    async def enabled() -> bool:
        return [one["status"] for one in await devices(clinic, patient["id"])] == ["enabled"]

    await eventually(enabled)
    stop.set()
    await running
