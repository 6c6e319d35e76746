"""A provider's weekly availability through the public API."""

from itertools import pairwise
from typing import Any

import pytest

from chroniccare.core.ids import new_id
from tests.client import Clinic


def rule(provider: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A Monday morning without an end, at the provider's first facility."""
    return {
        "facility_id": provider["facilities"][0]["facility_id"],
        "day_of_week": 1,
        "start_time": "08:00",
        "end_time": "12:00",
        "slot_duration": 30,
        "is_available": True,
        "effective_from": "2026-01-05",
        "effective_until": None,
        "reserved_for": None,
        "release_minutes": None,
        **fields,
    }


def without_ids(response: Any) -> list[dict[str, Any]]:
    rules = response.json()["data"]["rules"]
    return [{key: item[key] for key in item.keys() - {"id"}} for item in rules]


async def test_the_week_is_replaced_and_read_back_in_order(clinic: Clinic) -> None:
    provider = await clinic.provider(always=False)
    path = f"/providers/{provider['id']}/availability"
    assert (await clinic.get(path)).json()["data"] == {"rules": [], "slots": None}
    week = [
        rule(provider, day_of_week=0, start_time="22:00", end_time="06:00"),  # over night
        rule(provider, end_time="12:00", effective_until="2026-12-31"),
        rule(provider, start_time="12:00", end_time="24:00", slot_duration=1440),
        rule(provider, day_of_week=6, start_time="00:00", end_time="00:00", is_available=False),
    ]
    stored = await clinic.put(path, {"rules": [week[3], week[1], week[0], week[2]]})
    assert stored.status_code == 200
    assert without_ids(stored) == week
    read = await clinic.get(path)
    assert read.json()["data"]["rules"] == stored.json()["data"]["rules"]
    assert read.headers["etag"] == stored.headers["etag"] == '"2"'

    short = {key: week[1][key] for key in ("facility_id", "day_of_week", "start_time", "end_time")}
    again = await clinic.put(path, {"rules": [{**short, "effective_from": "2026-01-05"}]})
    assert without_ids(again) == [rule(provider)]
    assert without_ids(await clinic.put(path, {"rules": []})) == []


async def test_the_etag_is_the_providers_version(clinic: Clinic) -> None:
    provider = await clinic.provider(always=False)
    path = f"/providers/{provider['id']}"
    body = {"rules": [rule(provider)]}
    await clinic.get(path)  # into the cache, which must not answer version 1 later
    first = await clinic.put(f"{path}/availability", body, headers={"If-Match": '"1"'})
    assert first.status_code == 200
    second = await clinic.put(f"{path}/availability", body, headers={"If-Match": '"1"'})
    assert second.status_code == 412
    known = await clinic.get(f"{path}/availability", headers={"If-None-Match": '"2"'})
    assert known.status_code == 304
    assert (await clinic.get(path)).headers["etag"] == '"2"'


async def test_rules_may_not_overlap_across_facilities_and_midnight(clinic: Clinic) -> None:
    places = [{"facility_id": (await clinic.facility())["id"]} for _ in range(2)]
    provider = await clinic.provider(always=False, facilities=places)
    path = f"/providers/{provider['id']}/availability"
    elsewhere = provider["facilities"][1]["facility_id"]
    body = {
        "rules": [
            rule(provider),
            rule(provider, facility_id=elsewhere, start_time="11:30", end_time="13:00"),
            rule(provider, day_of_week=0, start_time="23:00", end_time="08:01"),
            rule(provider, effective_from="2020-01-01", effective_until="2026-01-04"),
            rule(provider, effective_from="2020-01-01", effective_until="2026-01-05"),
        ]
    }
    refused = await clinic.put(path, body)
    assert refused.status_code == 422
    details = refused.json()["error"]["details"]
    assert [(detail["field"], detail["code"]) for detail in details] == [
        ("rules.1", "overlap"),
        ("rules.2", "overlap"),
        ("rules.4", "overlap"),
    ]
    assert (await clinic.get(path)).json()["data"] == {"rules": [], "slots": None}
    body["rules"] = [body["rules"][0], body["rules"][3]]
    assert (await clinic.put(path, body)).status_code == 200


async def test_a_provider_must_work_where_a_rule_stands(clinic: Clinic) -> None:
    provider, facility = await clinic.provider(always=False), await clinic.facility()
    path = f"/providers/{provider['id']}/availability"
    rules = [
        rule(provider, facility_id=facility["id"]),
        rule(provider, day_of_week=2, facility_id=str(new_id())),
        rule(provider, day_of_week=3, effective_until="2026-01-04"),
    ]
    refused = await clinic.put(path, {"rules": rules})
    assert refused.status_code == 422
    assert [detail["field"] for detail in refused.json()["error"]["details"]] == [
        "rules.0.facility_id",
        "rules.1.facility_id",
        "rules.2.effective_until",
    ]


async def test_a_facility_is_not_left_while_rules_stand_there(clinic: Clinic) -> None:
    provider = await clinic.provider(always=False)
    path = f"/providers/{provider['id']}"
    await clinic.put(f"{path}/availability", {"rules": [rule(provider)]})
    body = clinic.provider_body(npi=provider["npi"], facilities=[])
    refused = await clinic.put(path, body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "STILL_AVAILABLE")
    await clinic.put(f"{path}/availability", {"rules": []})
    assert (await clinic.put(path, body)).status_code == 200


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"day_of_week": 7}, "day_of_week"),
    ({"day_of_week": -1}, "day_of_week"),
    ({"start_time": "24:00"}, "start_time"),
    ({"start_time": "08:00:00"}, "start_time"),
    ({"end_time": "24:01"}, "end_time"),
    ({"end_time": "9:00"}, "end_time"),
    ({"slot_duration": 4}, "slot_duration"),
    ({"slot_duration": 1441}, "slot_duration"),
    ({"effective_from": None}, "effective_from"),
    ({"effective_from": "0001-01-01"}, "effective_from"),
    ({"effective_until": "9999-12-31"}, "effective_until"),
    ({"effective_until": "2026-02-30"}, "effective_until"),
    ({"provider_id": "x"}, "provider_id"),
]


@pytest.mark.parametrize(("fields", "named"), BAD_FIELDS, ids=lambda value: str(value)[:60])
async def test_bad_input_is_refused_with_the_name_of_the_field(
    clinic: Clinic, fields: dict[str, Any], named: str
) -> None:
    provider = await clinic.provider(always=False)
    path = f"/providers/{provider['id']}/availability"
    response = await clinic.put(path, {"rules": [rule(provider, **fields)]})
    assert response.status_code == 400
    assert [d["field"] for d in response.json()["error"]["details"]] == [f"rules.0.{named}"]


async def test_a_week_has_a_limit_of_rules(clinic: Clinic) -> None:
    provider = await clinic.provider(always=False)
    path = f"/providers/{provider['id']}/availability"
    times = [f"{minute // 60:02}:{minute % 60:02}" for minute in range(0, 24 * 60, 30)]
    week = [
        rule(provider, day_of_week=day, start_time=start, end_time=end)
        for day in range(7)
        for start, end in pairwise(times)
    ]
    refused = await clinic.put(path, {"rules": week[:201]})
    assert refused.status_code == 400
    assert refused.json()["error"]["details"][0]["field"] == "rules"
    assert len(without_ids(await clinic.put(path, {"rules": week[:200]}))) == 200
