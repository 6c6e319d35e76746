"""A clinic's rules of booking through the public API."""

import asyncio
from typing import Any

import pytest

from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic

PATH = "/scheduling-policy"
DEFAULTS = {
    "cancel_notice_minutes": 0,
    "reschedule_notice_minutes": 0,
    "max_reschedules": None,
    "overbooking_lanes": 1,
    "waitlist_offer_minutes": 60,
    "recall_return_days": 15,
    "calendar_details": False,
}
OTHER = {
    "cancel_notice_minutes": 1440,
    "reschedule_notice_minutes": 720,
    "max_reschedules": 3,
    "overbooking_lanes": 0,
    "waitlist_offer_minutes": 30,
    "recall_return_days": 30,
    "calendar_details": True,
}


async def test_without_a_row_the_defaults_hold(clinic: Clinic) -> None:
    read = await clinic.get(PATH)
    assert read.json()["data"] == {**DEFAULTS, "version": 0, "updated_at": None}
    assert read.headers["etag"] == '"0"'


async def test_the_table_has_the_same_defaults(clinic: Clinic, other_clinic: Clinic) -> None:
    async with begin(other_clinic.caller) as tx:
        insert = "INSERT INTO scheduling_policies (tenant_id, updated_at) VALUES ($1, $2)"
        await tx.run(Command(insert), other_clinic.tenant_id, tx.now)
    read = (await other_clinic.get(PATH)).json()["data"]
    assert {name: read[name] for name in DEFAULTS} == DEFAULTS
    assert (await clinic.get(PATH)).json()["data"]["version"] == 0


async def test_rules_are_replaced_and_are_the_clinics_own(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    first = await clinic.put(PATH, OTHER, headers={"If-Match": '"0"'})
    assert first.json()["data"] == {
        **OTHER, "version": 1, "updated_at": first.json()["data"]["updated_at"],
    }  # fmt: skip
    assert first.headers["etag"] == '"1"'
    assert (await clinic.get(PATH)).json()["data"] == first.json()["data"]
    assert (await clinic.get(PATH, headers={"If-None-Match": '"1"'})).status_code == 304
    second = (await clinic.put(PATH, DEFAULTS, headers={"If-Match": '"1"'})).json()["data"]
    assert {name: second[name] for name in DEFAULTS} == DEFAULTS
    assert second["version"] == 2
    assert (await other_clinic.get(PATH)).json()["data"]["version"] == 0


@pytest.mark.parametrize("rows", [0, 1])
async def test_of_many_who_saw_one_version_one_changes_it(clinic: Clinic, rows: int) -> None:
    for _ in range(rows):
        await clinic.put(PATH, DEFAULTS)
    headers = {"If-Match": f'"{rows}"'}
    answers = await asyncio.gather(*(clinic.put(PATH, OTHER, headers=headers) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [412] * 5
    assert (await clinic.get(PATH)).json()["data"]["version"] == rows + 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cancel_notice_minutes", 43_201),
        ("cancel_notice_minutes", -1),
        ("reschedule_notice_minutes", 43_201),
        ("max_reschedules", 101),
        ("overbooking_lanes", 11),
        ("waitlist_offer_minutes", 14),
        ("waitlist_offer_minutes", 1441),
        ("recall_return_days", 0),
        ("recall_return_days", 366),
        ("calendar_details", "yes"),
    ],
)
async def test_a_rule_out_of_bounds_is_named(clinic: Clinic, field: str, value: Any) -> None:
    refused = await clinic.put(PATH, {**OTHER, field: value})
    assert refused.status_code == 400
    assert [d["field"] for d in refused.json()["error"]["details"]] == [field]
    assert (await clinic.get(PATH)).json()["data"]["version"] == 0


async def test_a_rule_left_out_is_named(clinic: Clinic) -> None:
    for field in DEFAULTS:
        body = {name: value for name, value in OTHER.items() if name != field}
        refused = await clinic.put(PATH, body)
        assert [d["field"] for d in refused.json()["error"]["details"]] == [field]


async def test_a_change_of_the_rules_is_audited(clinic: Clinic) -> None:
    await clinic.put(PATH, {**DEFAULTS, "max_reschedules": 3})
    listed = await clinic.get("/audit", params={"entity_id": str(clinic.tenant_id)})
    (entry,) = [
        one for one in listed.json()["data"]["items"] if one["entity_type"] == "scheduling_policy"
    ]
    assert entry["action"] == "update"
    assert entry["changes"]["before"]["max_reschedules"] is None
    assert entry["changes"]["after"]["max_reschedules"] == 3
