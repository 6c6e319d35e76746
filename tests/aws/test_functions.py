"""The platform's functions under AWS's own emulator of Lambda's runtime, behind their gateway."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chroniccare.platform.postgres import begin
from chroniccare.tenancy import actions
from tests.aws import rie
from tests.aws.gateway import Gateway
from tests.client import Clinic
from tests.deploy.gateway import FUNCTIONS

BAD = json.loads((Path(__file__).parent / "bad_events.json").read_text(encoding="utf-8"))
API = sorted(name for name in FUNCTIONS if FUNCTIONS[name]["Timeout"] == 29)


async def test_a_clinic_works_through_gateway_and_functions(
    served: tuple[Clinic, Gateway],
) -> None:
    clinic, gateway = served
    patient = await clinic.patient()
    provider = await clinic.provider()
    start = (datetime.now(UTC) + timedelta(days=3)).replace(second=0, microsecond=0)
    body = {
        "patient_id": patient["id"], "provider_id": provider["id"],
        "facility_id": provider["facilities"][0]["facility_id"],
        "appointment_type": "follow_up", "scheduled_start": start.isoformat(),
        "duration_minutes": 30,
    }  # fmt: skip
    visit = await clinic.make("/appointments", body)
    listed = await clinic.get(f"/patients/{patient['id']}/appointments")
    assert [one["id"] for one in listed.json()["data"]["items"]] == [visit["id"]]
    assert (await clinic.post("/appointments", body)).status_code == 409
    planned = await clinic.get(f"/patients/{patient['id']}/notifications")
    assert planned.json()["data"]["items"]
    assert (await clinic.get(f"/patients/{patient['id']}/medications")).status_code == 200
    assert (await clinic.get("/tasks")).status_code == 200
    found = await clinic.http.get(f"/fhir/Patient/{patient['id']}")
    assert found.json()["resourceType"] == "Patient"
    assert gateway.asked == set(API)


async def test_pages_conditions_and_refusals_are_as_everywhere(
    served: tuple[Clinic, Gateway],
) -> None:
    clinic, _ = served
    patient = await clinic.patient()
    await clinic.patient()
    first = (await clinic.get("/patients", params={"limit": 1})).json()["data"]
    rest = await clinic.get("/patients", params={"limit": 1, "cursor": first["next_cursor"]})
    assert rest.json()["data"]["items"][0]["id"] != first["items"][0]["id"]
    path = f"/patients/{patient['id']}"
    tag = (await clinic.get(path)).headers["etag"]
    assert (await clinic.get(path, headers={"If-None-Match": tag})).status_code == 304
    assert (await clinic.get("/patients/none")).status_code == 400
    assert (await clinic.get("/patients", headers={"X-API-Key": "wrong"})).status_code == 401
    typed = {"Content-Type": "application/json"}
    broken = await clinic.http.post("/api/v1/patients", content="{", headers=typed)
    assert broken.json()["error"]["details"][0]["field"] == "body"
    as_fhir = await clinic.get(path, headers={"Accept": "application/fhir+json"})
    assert as_fhir.json()["data"]["id"] == patient["id"]  # only /fhir has FHIR here


@pytest.mark.parametrize("name", API)
@pytest.mark.parametrize("bad", BAD)
def test_an_event_of_another_shape_is_a_400_and_counted(
    function: Callable[[str], rie.Function], name: str, bad: str
) -> None:
    made = function(name)
    before = len(made.metrics())
    answer = made(BAD[bad])
    assert answer["statusCode"] == 400
    assert json.loads(answer["body"])["error"]["code"] == "VALIDATION_ERROR"
    [told] = made.metrics()[before:]
    assert told["RejectedEvents"] == 1
    assert told["Function"] == name.removesuffix("Function").lower()


async def test_no_log_line_of_a_function_holds_a_patient(
    served: tuple[Clinic, Gateway], function: Callable[[str], rie.Function]
) -> None:
    clinic, _ = served
    patient = await clinic.patient(last_name="Canaryson")
    await clinic.get(f"/patients/{patient['id']}")
    written = function("PatientsFunction").log.read_text(encoding="utf-8", errors="replace")
    assert "Canaryson" not in written
    assert patient["id"] not in written
    assert clinic.key not in written


def _asked(key: str | None, **changes: Any) -> dict[str, Any]:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return {
        "type": "REQUEST", "headers": headers,
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/live/GET/api/v1/patients",
        "requestContext": {"identity": {"sourceIp": "203.0.113.9"}}, **changes,
    }  # fmt: skip


async def test_the_authorizer_lets_in_who_has_a_key_until_it_is_revoked(
    clinic: Clinic, other_clinic: Clinic, function: Callable[[str], rie.Function]
) -> None:
    judge = function("AuthorizerFunction")
    said = await asyncio.to_thread(judge, _asked(clinic.key))
    [statement] = said["policyDocument"]["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Resource"] == "arn:aws:execute-api:us-east-1:123456789012:a1b2c3/live/*/*"
    assert said["context"] == {"tenantId": str(clinic.tenant_id)}
    wrong = clinic.key[:-8] + "AAAAAAAA"
    for bad in (None, "", wrong, "x" * 5000):
        refused = await asyncio.to_thread(judge, _asked(bad))
        assert refused["errorMessage"] == "Unauthorized"
    assert judge.metrics()[-1]["Refused"] == 1
    by_header = _asked(None, headers={"x-api-key": other_clinic.key})
    assert (await asyncio.to_thread(judge, by_header))["context"] == {
        "tenantId": str(other_clinic.tenant_id)
    }
    async with begin(clinic.caller) as tx:
        await actions.revoke_key(tx, key_id=clinic.key.split("_")[2])
    await asyncio.sleep(1.0)
    assert (await asyncio.to_thread(judge, _asked(clinic.key)))["errorMessage"] == "Unauthorized"


@pytest.mark.parametrize("bad", BAD)
def test_the_authorizer_lets_nobody_in_by_an_event_of_another_shape(
    function: Callable[[str], rie.Function], bad: str
) -> None:
    judge = function("AuthorizerFunction")
    assert judge(BAD[bad])["errorMessage"] == "Unauthorized"
    assert judge.metrics()[-1]["RejectedEvents"] == 1
