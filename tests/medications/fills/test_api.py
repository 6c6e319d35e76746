"""Fills recorded and taken back, and what their patients and prescribers hear of it."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chroniccare.medications.fills import rounds
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.medications.support import Ward, medication, put_doses, today
from tests.notifications.support import Clock

_REFILLS = Command("SELECT refills_remaining FROM medications WHERE id = $1")
_SENT_TWICE = Command(
    "SELECT count(*) FROM (SELECT FROM notifications WHERE notification_type = 'refill_reminder'"
    " GROUP BY template_data ->> 'fill_id', scheduled_send_time HAVING count(*) > 1) t"
)


def body(filled_on: date, **fields: Any) -> dict[str, Any]:
    return {"filled_on": filled_on.isoformat(), "days_supply": 30, **fields}


async def drug(ward: Ward, **fields: Any) -> tuple[UUID, str]:
    """Prescribe a drug; return it and its path."""
    made = await ward.medication(await ward.bench.patient(), **fields)
    return made, f"/medications/{made}"


async def fill(ward: Ward, path: str, **fields: Any) -> dict[str, Any]:
    filled_on = fields.pop("filled_on", today(ward.clock))
    return await ward.clinic.make(f"{path}/fills", body(filled_on, **fields))


async def supply(ward: Ward, path: str) -> dict[str, Any]:
    data: dict[str, Any] = (await ward.clinic.get(f"{path}/supply")).json()["data"]
    return data


async def refills(ward: Ward, made: UUID) -> int:
    async with begin(ward.clinic.caller) as tx:
        return int(await tx.value(_REFILLS, made))


async def tasks(ward: Ward) -> list[tuple[str, str, str]]:
    listed = (await ward.clinic.get("/tasks")).json()["data"]["items"]
    return [(one["code"], one["reason"], one["priority"]) for one in listed]


async def day(ward: Ward, number: int, hour: int = 12) -> None:
    """Let the fill's day number `number` come, deliver, and look around."""
    ward.clock.at = datetime(2031, 3, 4, tzinfo=UTC) + timedelta(days=number, hours=hour + 5)
    await rounds.run(ward.clinic.tenant_id)
    await ward.bench.drain()


async def test_a_fill_takes_a_refill_and_gives_it_back_when_voided(ward: Ward) -> None:
    made, path = await drug(ward, refills_remaining=1)
    first = await fill(ward, path, kind="first_fill", filled_on=today(ward.clock) - timedelta(30))
    assert (first["used_refill"], await refills(ward, made)) == (False, 1)
    second = await fill(ward, path, quantity=60, pharmacy="Main St", source="pharmacy")
    assert (second["used_refill"], await refills(ward, made)) == (True, 0)
    refused = await ward.clinic.post(f"{path}/fills", body(today(ward.clock)))
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "NO_REFILLS_LEFT")
    spare = await fill(ward, path, kind="emergency", days_supply=3)
    assert await refills(ward, made) == 0
    listed = await ward.clinic.get(f"{path}/fills", params={"limit": 2})
    assert listed.json()["data"]["items"] == [spare, second]
    rest = {"limit": 2, "cursor": listed.json()["data"]["next_cursor"]}
    assert (await ward.clinic.get(f"{path}/fills", params=rest)).json()["data"]["items"] == [first]
    mine = f"{path}/fills/{second['id']}"
    assert (await ward.clinic.get(mine)).headers["etag"] == '"1"'
    assert (await ward.clinic.delete(mine, headers={"If-Match": '"2"'})).status_code == 412
    voided = await ward.clinic.delete(mine, headers={"If-Match": '"1"'})
    assert voided.json()["data"]["voided_at"] is not None
    assert await refills(ward, made) == 1
    again = await ward.clinic.delete(mine)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "FILL_VOIDED")
    assert (await supply(ward, path))["last_fill_id"] == spare["id"]
    entries = (await ward.clinic.get("/audit", params={"entity_id": str(made)})).json()
    changes = [one["changes"]["after"] for one in entries["data"]["items"] if one["changes"]]
    counts = [one["refills_remaining"] for one in changes if "refills_remaining" in one]
    assert sorted(counts) == [0, 1]


async def test_a_key_records_one_fill_and_two_at_once_take_one_refill_each(ward: Ward) -> None:
    made, path = await drug(ward, refills_remaining=1)
    key = {"Idempotency-Key": "fill-1"}
    one, two = [
        await ward.clinic.post(f"{path}/fills", body(today(ward.clock)), headers=key)
        for _ in range(2)
    ]
    assert one.json()["data"] == two.json()["data"]
    assert await refills(ward, made) == 0
    made, path = await drug(ward, refills_remaining=1)
    answers = await asyncio.gather(
        *(ward.clinic.post(f"{path}/fills", body(today(ward.clock))) for _ in range(3))
    )
    assert sorted(one.status_code for one in answers) == [201, 409, 409]
    assert await refills(ward, made) == 0


@pytest.mark.parametrize(
    ("fields", "status", "field"),
    [
        ({"days_supply": 0}, 400, "days_supply"),
        ({"days_supply": -30}, 400, "days_supply"),
        ({"days_supply": 401}, 400, "days_supply"),
        ({"days_supply": "30"}, 400, "days_supply"),
        ({"quantity": 0}, 400, "quantity"),
        ({"quantity": 1e300}, 400, "quantity"),
        ({"kind": "gift"}, 400, "kind"),
        ({"filled_on": "2031-02-30"}, 400, "filled_on"),
        ({"filled_on": "2031-03-05"}, 422, "filled_on"),
        ({"pharmacy": "x" * 300}, 400, "pharmacy"),
        ({"drug": "x"}, 400, "drug"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_written(
    ward: Ward, fields: dict[str, Any], status: int, field: str
) -> None:
    made, path = await drug(ward)
    refused = await ward.clinic.post(f"{path}/fills", body(today(ward.clock)) | fields)
    assert refused.status_code == status
    assert [one["field"] for one in refused.json()["error"]["details"]] == [field]
    assert (await ward.clinic.get(f"{path}/fills")).json()["data"]["items"] == []
    assert await refills(ward, made) == 3


async def test_a_draft_and_what_is_not_there(ward: Ward, other_clinic: Clinic) -> None:
    made, path = await drug(ward, status="draft")
    refused = await ward.clinic.post(f"{path}/fills", body(today(ward.clock)))
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "MEDICATION_STATE")
    for clinic, missing in ((other_clinic, made), (ward.clinic, uuid4())):
        where = f"/medications/{missing}"
        assert (await clinic.post(f"{where}/fills", body(date(2031, 3, 1)))).status_code == 404
        for rest in ("fills", "supply", f"fills/{uuid4()}"):
            assert (await clinic.get(f"{where}/{rest}")).status_code == 404
        assert (await clinic.delete(f"{where}/fills/{uuid4()}")).status_code == 404
    _, other = await drug(ward)
    mine = await fill(ward, other)
    assert (await ward.clinic.get(f"{path}/fills/{mine['id']}")).status_code == 404


async def test_a_supply_carries_what_was_left_and_counts_what_was_taken(ward: Ward) -> None:
    made, path = await drug(ward)
    empty = await supply(ward, path)
    assert (empty["run_out_on"], empty["days_left"], empty["left"]) == (None, 0, None)
    start = today(ward.clock)
    await fill(ward, path, filled_on=start - timedelta(days=25), quantity=60)
    await fill(ward, path, quantity=60)
    found = await supply(ward, path)
    assert found["run_out_on"] == (start + timedelta(days=34)).isoformat()
    assert (found["carried_days"], found["days_left"], found["refills_remaining"]) == (5, 35, 1)
    assert (found["dispensed"], found["taken"], found["left"]) == (120, 0, 120)
    async with begin(ward.clinic.caller) as tx:
        doses = await put_doses(tx, ward.bench.patients[0], [(made, ward.clock.at)] * 2)
    await ward.settle(ward.bench.patients[0], doses[0])
    assert (await supply(ward, path))["left"] == 119
    await fill(ward, path, kind="emergency", days_supply=1)  # how much is not known
    found = await supply(ward, path)
    assert (found["dispensed"], found["taken"], found["left"]) == (None, None, None)


async def test_the_patient_is_told_three_times_and_the_prescriber_once(ward: Ward) -> None:
    made, path = await drug(ward, refills_remaining=1)
    await fill(ward, path)  # lasts until 2 April, day 29
    assert await ward.messages() == []
    await day(ward, 21)
    assert [one.status for one in await ward.messages()] == ["pending"] * 3
    assert await tasks(ward) == []
    await day(ward, 22, hour=9)
    await day(ward, 22, hour=10)
    assert [one.status for one in await ward.messages()] == ["delivered", "pending", "pending"]
    assert await tasks(ward) == [("renew_prescription", "no_refills_left", "normal")]
    [sent] = await ward.bench.outbox()
    assert "should last until Wed, Apr 2. To renew it, please call us." in sent.body
    assert "etformin" not in sent.body
    for number in range(23, 40):
        await day(ward, number)
    assert [one.status for one in await ward.messages()] == ["delivered"] * 3
    assert len(await tasks(ward)) == 1
    await fill(ward, path, kind="emergency", days_supply=7)
    assert await tasks(ward) == [("renew_prescription", "no_refills_left", "normal")]
    done = await ward.clinic.get("/tasks", params={"status": "completed"})
    assert [one["outcome"] for one in done.json()["data"]["items"]] == ["filled"]
    assert str(made) == done.json()["data"]["items"][0]["focus_id"]


async def test_another_fill_takes_the_messages_along_and_a_void_brings_them_back(
    ward: Ward,
) -> None:
    _, path = await drug(ward)
    await fill(ward, path)
    await day(ward, 22)
    assert [one.status for one in await ward.messages()] == ["delivered", "pending", "pending"]
    second = await fill(ward, path)
    reasons = {(one.status, one.reason) for one in await ward.messages()}
    assert reasons == {("delivered", None), ("cancelled", "supply_changed")}
    await day(ward, 27)
    assert len(await ward.bench.outbox()) == 1
    assert (await ward.clinic.delete(f"{path}/fills/{second['id']}")).is_success
    await day(ward, 29)
    assert [one.status for one in await ward.messages()] == ["delivered", "expired", "delivered"]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE medications SET status = 'on_hold'",
        "UPDATE medications SET status = 'stopped'",
        "UPDATE medications SET as_needed = true",
        "UPDATE medications SET end_date = '2031-04-02'",
    ],
)
async def test_nothing_is_told_of_what_is_not_taken_on(ward: Ward, sql: str) -> None:
    _, path = await drug(ward, refills_remaining=0)
    await fill(ward, path, kind="first_fill")
    await ward.bench.sql(sql)
    for number in (21, 22, 26):
        await day(ward, number)
    assert (await ward.messages(), await tasks(ward)) == ([], [])


async def test_delivery_looks_again_and_a_hold_that_ends_brings_them_back(ward: Ward) -> None:
    _, path = await drug(ward)
    await fill(ward, path)
    await day(ward, 21)
    await ward.bench.sql("UPDATE medications SET status = 'on_hold'")
    ward.clock.forward(days=1)
    await ward.bench.drain()
    [first, *_] = await ward.messages()
    assert (first.status, first.reason) == ("cancelled", "medication_on_hold")
    await day(ward, 23)
    assert {one.status for one in await ward.messages()} == {"cancelled"}
    await ward.bench.sql("UPDATE medications SET status = 'active'")
    await day(ward, 24)
    assert [one.status for one in await ward.messages()] == ["delivered", "pending", "pending"]


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fill"), st.integers(1, 20)),
        st.tuples(st.just("void"), st.integers(0, 5)),
        st.tuples(st.just("wait"), st.integers(0, 9)),
        st.tuples(st.just("round"), st.just(0)),
    ),
    min_size=1, max_size=14,
)  # fmt: skip


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_STEPS)
async def test_nobody_is_told_twice_whatever_is_filled_voided_and_planned(
    clinic: Clinic, clock: Clock, ward: Ward, steps: list[tuple[str, int]]
) -> None:
    clock.at = max(clock.at, datetime(2031, 3, 4, 17, tzinfo=UTC))
    patient = await ward.bench.patient()
    made = await medication(
        clinic, patient, provider_id=ward.bench.provider_id, refills_remaining=90
    )
    path, fills = f"/medications/{made}", list[dict[str, Any]]()
    for step, number in steps:
        if step == "fill":
            fills.append(await fill(ward, path, days_supply=number))
        elif step == "void" and fills:
            gone = fills.pop(number % len(fills))
            assert (await clinic.delete(f"{path}/fills/{gone['id']}")).is_success
        elif step == "wait":
            clock.forward(days=number)
            await ward.bench.drain()
        else:
            await rounds.run(clinic.tenant_id)
    await rounds.run(clinic.tenant_id)
    assert (await supply(ward, path))["refills_remaining"] == 90 - len(fills)
    last = (await supply(ward, path))["last_fill_id"]
    async with begin(clinic.caller) as tx:
        assert await tx.value(_SENT_TWICE) == 0
        waiting = await tx.values(
            Command(
                "SELECT DISTINCT template_data ->> 'fill_id' FROM notifications"
                " WHERE delivery_status = 'pending' AND medication_id = $1"
            ),
            made,
        )
    assert set(waiting) <= {last}
