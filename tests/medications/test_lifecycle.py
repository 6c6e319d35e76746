"""The life of a prescription: every step from every state, and what ends by itself."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from chroniccare.medications import lifecycle, rules
from chroniccare.medications.rules import STEPS
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.medications.prescribing import Prescribing
from tests.notifications.support import Clock

STATES = ("draft", "active", "on_hold", "stopped", "completed")
# How to get there from a draft.
WAYS: dict[str, tuple[rules.Step, ...]] = {
    "draft": (), "active": ("activate",), "on_hold": ("activate", "hold"), "stopped": ("stop",),
    "completed": ("activate", "complete"),
}  # fmt: skip
BODIES: dict[str, dict[str, Any]] = {
    "hold": {"hold_until": None}, "activate": {"override": None}, "stop": {"reason": "Cough"}
}  # fmt: skip
_EVENTS = Command(
    "SELECT coalesce(jsonb_agg(event_type ORDER BY created_at, id), '[]') FROM outbox"
    " WHERE entity_id = $1"
)


async def take(clinic: Clinic, medication_id: str, step: str, **options: Any) -> Any:
    path, body = f"/medications/{medication_id}", options.pop("json", BODIES.get(step))
    if step == "stop":
        return await clinic.send("DELETE", path, json=body, **options)
    return await clinic.post(f"{path}/{step}", body, **options)


async def be(prescribing: Prescribing, status: str) -> dict[str, Any]:
    """Return a prescription in this state."""
    made = await prescribing.make(status="draft")
    for step in WAYS[status]:
        assert (await take(prescribing.clinic, made["id"], step)).status_code == 200
    found = await prescribing.clinic.get(f"/medications/{made['id']}")
    data: dict[str, Any] = found.json()["data"]
    assert data["status"] == status
    return data


@pytest.mark.parametrize("status", STATES)
async def test_a_step_is_taken_from_the_states_of_the_table_and_no_other(
    prescribing: Prescribing, status: str
) -> None:
    for step, (sources, target) in STEPS.items():
        medication = await be(prescribing, status)
        answer = await take(prescribing.clinic, medication["id"], step)
        if status in sources:
            assert answer.status_code == 200
            assert answer.json()["data"]["status"] == target
            assert answer.headers["etag"] == f'"{medication["version"] + 1}"'
        else:
            assert answer.status_code == 409
            assert answer.json()["error"]["code"] == "MEDICATION_STATE"
            again = await prescribing.clinic.get(f"/medications/{medication['id']}")
            assert again.json()["data"] == medication


@pytest.mark.parametrize("status", ["stopped", "completed"])
async def test_what_is_over_cannot_be_changed(prescribing: Prescribing, status: str) -> None:
    medication = await be(prescribing, status)
    path = f"/medications/{medication['id']}"
    answer = await prescribing.clinic.put(path, prescribing.body())
    assert answer.status_code == 409
    [regimen] = (await prescribing.clinic.get(f"{path}/regimens")).json()["data"]["items"]
    assert regimen["effective_until"] is not None


async def test_a_stopped_prescription_keeps_its_row_and_reason(prescribing: Prescribing) -> None:
    made = await prescribing.make()
    stopped = (await take(prescribing.clinic, made["id"], "stop")).json()["data"]
    assert stopped["stop_reason"] == "Cough"
    assert stopped["stopped_at"] is not None
    async with begin(prescribing.clinic.caller) as tx:
        events = await tx.value(_EVENTS, UUID(made["id"]))
    assert events == ["medication.created", "medication.stopped"]


async def test_a_step_is_taken_once_for_a_key_and_for_one_version(
    prescribing: Prescribing,
) -> None:
    made = await prescribing.make()
    stale = await take(prescribing.clinic, made["id"], "hold", headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    headers = {"Idempotency-Key": "hold-1"}
    answers = [
        await take(prescribing.clinic, made["id"], "hold", headers=headers) for _ in range(2)
    ]
    assert answers[0].json()["data"] == answers[1].json()["data"]


async def test_a_draft_is_taken_from_its_activation_on(
    prescribing: Prescribing, clock: Clock
) -> None:
    made = await prescribing.make(status="draft", start_date=str(clock().date()))
    clock.forward(days=2)
    active = (await take(prescribing.clinic, made["id"], "activate")).json()["data"]
    assert active["effective_from"] > made["effective_from"]


async def test_activation_is_checked_once_more(prescribing: Prescribing) -> None:
    await prescribing.make(medication_name="Simvastatin")
    override = {"reason": "Cardiology agrees."}
    made = await prescribing.make(
        medication_name="Clarithromycin", status="draft", override=override
    )
    assert (await take(prescribing.clinic, made["id"], "activate")).status_code == 200


async def test_activation_of_what_speaks_against_by_now_needs_a_reason(
    prescribing: Prescribing,
) -> None:
    made = await prescribing.make(medication_name="Clarithromycin", status="draft")
    await prescribing.make(medication_name="Simvastatin")
    refused = await take(prescribing.clinic, made["id"], "activate")
    assert refused.json()["error"]["code"] == "CONTRAINDICATED"
    body = {"override": {"reason": "Cardiology agrees."}}
    answer = await take(prescribing.clinic, made["id"], "activate", json=body)
    assert answer.json()["data"]["override"]["reason"] == "Cardiology agrees."


async def test_a_draft_whose_end_has_passed_is_not_activated(
    prescribing: Prescribing, clock: Clock
) -> None:
    end = clock().date() + timedelta(days=1)
    made = await prescribing.make(status="draft", start_date=str(clock().date()), end_date=str(end))
    clock.forward(days=3)
    answer = await take(prescribing.clinic, made["id"], "activate")
    assert answer.status_code == 422


@pytest.mark.parametrize("days", [0, -1, 367])
async def test_a_hold_ends_on_a_day_to_come(prescribing: Prescribing, days: int) -> None:
    made = await prescribing.make()
    until = date.fromisoformat(made["start_date"]) + timedelta(days=days)
    answer = await take(prescribing.clinic, made["id"], "hold", json={"hold_until": str(until)})
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == "hold_until"


async def test_a_hold_does_not_outlast_the_prescription(prescribing: Prescribing) -> None:
    start = date.fromisoformat(prescribing.body()["start_date"])
    made = await prescribing.make(end_date=str(start + timedelta(days=5)))
    body = {"hold_until": str(start + timedelta(days=9))}
    answer = await take(prescribing.clinic, made["id"], "hold", json=body)
    assert answer.json()["error"]["details"][0]["code"] == "order"


async def test_what_has_ended_where_the_patient_lives_is_completed(
    clinic: Clinic, clock: Clock
) -> None:
    provider = await clinic.provider()
    day = clock().date()
    made = {}
    for zone in ("Pacific/Kiritimati", "UTC", "Pacific/Pago_Pago"):
        patient = await clinic.patient(time_zone=zone)
        prescribing = Prescribing(clinic, patient["id"], provider["id"])
        made[zone] = await prescribing.make(start_date=str(day), end_date=str(day + timedelta(1)))

    async def completed() -> set[str]:
        await lifecycle.sweep(clinic.tenant_id)
        found = {
            zone: (await clinic.get(f"/medications/{one['id']}")).json()["data"]["status"]
            for zone, one in made.items()
        }
        return {zone for zone, status in found.items() if status == "completed"}

    assert await completed() == set()
    clock.forward(days=1)  # noon of the last day in UTC, 2 in the next morning in Kiritimati
    assert await completed() == {"Pacific/Kiritimati"}
    clock.forward(hours=12)
    assert await completed() == {"Pacific/Kiritimati", "UTC"}
    clock.forward(hours=11)
    assert await completed() == set(made)
    assert await lifecycle.sweep(clinic.tenant_id) == 0


async def test_what_was_on_hold_until_today_is_resumed(
    prescribing: Prescribing, clock: Clock
) -> None:
    made = await prescribing.make(start_date=str(clock().date()))
    until = clock().date() + timedelta(days=2)
    await take(prescribing.clinic, made["id"], "hold", json={"hold_until": str(until)})
    clock.forward(days=1)
    assert await lifecycle.sweep(prescribing.clinic.tenant_id) == 0
    clock.forward(days=1)
    assert await lifecycle.sweep(prescribing.clinic.tenant_id) == 1
    found = (await prescribing.clinic.get(f"/medications/{made['id']}")).json()["data"]
    assert (found["status"], found["hold_until"]) == ("active", None)


async def test_what_a_removed_patient_took_is_stopped(prescribing: Prescribing) -> None:
    clinic = prescribing.clinic
    made = await prescribing.make()
    await clinic.delete(f"/patients/{prescribing.patient_id}")
    assert (await take(clinic, made["id"], "complete")).status_code == 404
    assert await lifecycle.sweep(clinic.tenant_id) == 1
    found = (await clinic.get(f"/medications/{made['id']}")).json()["data"]
    assert (found["status"], found["stop_reason"]) == ("stopped", lifecycle.GONE)


async def test_more_than_a_batch_is_done_in_one_go(
    prescribing: Prescribing, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "_BATCH", 2)
    start = clock().date()
    for _ in range(5):
        await prescribing.make(start_date=str(start), end_date=str(start))
    clock.forward(days=1)
    assert await lifecycle.sweep(prescribing.clinic.tenant_id) == 5
