"""Reading one resource: what it says, its headers, and every way to be refused."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from chroniccare.core.caller import system
from chroniccare.core.errors import RateLimited, TooSlow, Unavailable
from chroniccare.fhir import actions
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.stored.table import searches
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.actions import create_key
from chroniccare.tenancy.rules import SCOPES
from tests.client import Clinic
from tests.fhir.judges import judge
from tests.fhir.server import Server, beside, everything, prescription, visit
from tests.fhir.stored.made import each


async def test_a_patient_says_what_the_record_says(clinic: Clinic, fhir: Server) -> None:
    provider = await clinic.provider()
    made = await clinic.patient(
        mrn="A-1", gender="female", first_name="Maria", last_name="Gonzalez", language="es",
        emergency_contact={"name": "Luis", "phone": "+14155550111", "relationship": "son"},
        contact_info={
            "telecom": [{"system": "phone", "value": "+14155550100"}],
            "address": {"line": ["1 Main St"], "city": "Springfield", "postal_code": "10001"},
        },
    )  # fmt: skip
    await clinic.make(
        f"/patients/{made['id']}/providers",
        {"provider_id": provider["id"], "relationship_type": "primary_care", "is_primary": True},
    )
    said = await fhir.read("Patient", made["id"])
    assert said["identifier"][0]["value"] == "A-1"
    assert said["identifier"][0]["system"].startswith("urn:uuid:")
    assert said["name"] == [{"use": "official", "family": "Gonzalez", "given": ["Maria"]}]
    assert (said["gender"], said["birthDate"]) == ("female", "1961-04-12")
    assert said["telecom"][0]["value"] == "+14155550100"
    assert said["address"][0]["postalCode"] == "10001"
    assert said["contact"][0]["name"] == {"text": "Luis"}
    assert said["communication"][0]["language"]["coding"][0]["code"] == "es"
    assert said["generalPractitioner"] == [{"reference": f"Practitioner/{provider['id']}"}]
    assert said["managingOrganization"]["reference"] == f"Organization/{clinic.tenant_id}"


async def test_a_gender_that_nobody_knows_is_unknown(clinic: Clinic, fhir: Server) -> None:
    made = await clinic.patient(gender=None)
    assert (await fhir.read("Patient", made["id"]))["gender"] == "unknown"


async def test_who_works_where(clinic: Clinic, fhir: Server) -> None:
    provider = await clinic.provider(qualifications=["MD"])
    place = provider["facilities"][0]["facility_id"]
    said = await fhir.read("Practitioner", provider["id"])
    assert said["identifier"][0]["system"] == "http://hl7.org/fhir/sid/us-npi"
    assert said["qualification"] == [{"code": {"text": "MD"}}]
    [role] = await fhir.ids(f"PractitionerRole?practitioner={provider['id']}")
    role_said = await fhir.read("PractitionerRole", role)
    assert role_said["location"][0]["reference"] == f"Location/{place}"
    assert role_said["specialty"][0]["text"] == "Endocrinology"
    location = await fhir.read("Location", place)
    assert location["hoursOfOperation"][0] == {"daysOfWeek": ["mon"], "allDay": True}
    assert location["address"]["city"] == "Springfield"
    schedule = await fhir.read("Schedule", role)
    assert {one["reference"] for one in schedule["actor"]} == {
        f"Practitioner/{provider['id']}",
        f"Location/{place}",
    }
    organization = await fhir.read("Organization", str(clinic.tenant_id))
    assert organization["active"] is True


async def test_hours_over_midnight_are_told_of_both_days(clinic: Clinic, fhir: Server) -> None:
    hours = {"sunday": [{"open": "20:00", "close": "04:00"}]}
    place = await clinic.facility(operating_hours=hours)
    assert (await fhir.read("Location", place["id"]))["hoursOfOperation"] == [
        {"daysOfWeek": ["sun"], "openingTime": "20:00:00"},
        {"daysOfWeek": ["mon"], "openingTime": "00:00:00", "closingTime": "04:00:00"},
    ]


async def test_a_visit_and_what_becomes_of_it(clinic: Clinic, fhir: Server) -> None:
    made = await visit(clinic, reason="Check-up", priority="urgent")
    said = await fhir.read("Appointment", made["id"])
    assert (said["status"], said["minutesDuration"], said["priority"]) == ("booked", 30, 1)
    assert said["start"] == made["scheduled_start"]
    assert said["participant"][0] == {
        "actor": {"reference": f"Patient/{made['patient_id']}"},
        "required": "required",
        "status": "needs-action",
    }
    assert "cancelationReason" not in said
    await clinic.post(f"/appointments/{made['id']}/confirm")
    confirmed = await fhir.read("Appointment", made["id"])
    assert (confirmed["status"], confirmed["participant"][0]["status"]) == ("booked", "accepted")
    assert confirmed["meta"]["versionId"] == "2"
    await clinic.delete(f"/appointments/{made['id']}", json={"cancellation_reason": "Ill"})
    cancelled = await fhir.read("Appointment", made["id"])
    assert cancelled["status"] == "cancelled"
    assert cancelled["cancelationReason"] == {"text": "Ill"}


async def test_a_held_visit_is_pending(clinic: Clinic, fhir: Server) -> None:
    made = await visit(clinic, hold_minutes=10)
    assert (await fhir.read("Appointment", made["id"]))["status"] == "pending"


async def test_a_prescription(clinic: Clinic, fhir: Server) -> None:
    made = await prescription(clinic)
    said = await fhir.read("MedicationRequest", made["id"])
    assert (said["status"], said["intent"]) == ("active", "order")
    assert said["medicationCodeableConcept"]["coding"][0]["code"] == "861007"
    assert said["dosageInstruction"] == made["dosage_instructions"]
    assert said["dispenseRequest"]["numberOfRepeatsAllowed"] == 3
    assert said["dispenseRequest"]["expectedSupplyDuration"]["value"] == 30


async def test_what_stands_beside_a_patient(clinic: Clinic, fhir: Server) -> None:
    patient, provider = await clinic.patient(), await clinic.provider()
    made = await beside(clinic, patient, provider)
    person = await fhir.read("RelatedPerson", made.related["id"])
    assert person["relationship"] == [{"text": "daughter"}]
    assert person["telecom"][0]["value"] == "+14155550188"
    team = await fhir.read("CareTeam", patient["id"])
    assert team["status"] == "active"
    assert team["participant"][0]["member"]["reference"] == f"Practitioner/{provider['id']}"
    await clinic.delete(f"/patients/{patient['id']}/providers/{provider['id']}")
    ended = await fhir.read("CareTeam", patient["id"])
    assert (ended["status"], ended["meta"]["versionId"]) == ("inactive", "2")
    assert "end" in ended["participant"][0]["period"]
    fill = await fhir.read("MedicationDispense", made.fill["id"])
    assert (fill["status"], fill["quantity"], fill["daysSupply"]["value"]) == (
        "completed", {"value": 60.0}, 30
    )  # fmt: skip
    assert fill["authorizingPrescription"][0]["reference"] == f"MedicationRequest/{made.drug['id']}"
    await clinic.delete(f"/medications/{made.drug['id']}/fills/{made.fill['id']}")
    voided = await fhir.read("MedicationDispense", made.fill["id"])
    assert voided["status"] == "entered-in-error"
    taken = await fhir.read("MedicationAdministration", made.report["id"])
    assert taken["status"] == "completed"
    assert taken["effectiveDateTime"] == made.report["taken_at"]
    assert taken["performer"][0]["actor"]["reference"] == f"Patient/{patient['id']}"


async def test_a_version_is_the_etag(clinic: Clinic, fhir: Server) -> None:
    made = await clinic.patient()
    path = f"/Patient/{made['id']}"
    response = await fhir.send("GET", path)
    assert response.headers["etag"] == 'W/"1"'
    assert response.headers["last-modified"].endswith("GMT")
    head = await fhir.send("HEAD", path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(response.content))


async def test_elements_and_pretty(clinic: Clinic, fhir: Server) -> None:
    made = await clinic.patient()
    said = await fhir.read("Patient", made["id"], params={"_elements": "birthDate"})
    assert set(said) == {
        "resourceType", "id", "meta", "identifier", "name", "gender", "birthDate"
    }  # fmt: skip
    assert said["meta"]["tag"][0]["code"] == "SUBSETTED"
    pretty = await fhir.send("GET", f"/Patient/{made['id']}", params={"_pretty": "true"})
    assert "\n" in pretty.text


async def test_a_removed_record_is_gone(clinic: Clinic, fhir: Server, other_fhir: Server) -> None:
    made, place = await clinic.patient(), await clinic.facility()
    provider = await clinic.provider(facilities=[])
    await clinic.delete(f"/patients/{made['id']}")
    await clinic.delete(f"/facilities/{place['id']}")
    await clinic.delete(f"/providers/{provider['id']}")
    for kind, one in (("Patient", made), ("Location", place), ("Practitioner", provider)):
        path = f"/{kind}/{one['id']}"
        gone = await fhir.send("GET", path)
        assert gone.status_code == 410
        assert gone.json()["issue"][0]["code"] == "deleted"
        assert (await other_fhir.send("GET", path)).status_code == 404


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_sec_09_another_clinics_record_was_never_there(
    clinic: Clinic, fhir: Server, other_fhir: Server, kind: str
) -> None:
    await (each(fhir) if kind in searches() else everything(clinic))
    [own, *_] = await fhir.ids(kind)
    answers = [await other_fhir.send("GET", f"/{kind}/{one}") for one in (own, uuid4())]
    assert {one.status_code for one in answers} == {404}
    assert answers[0].json() == answers[1].json()
    assert own not in await other_fhir.ids(f"{kind}?_id={own}")


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_a_key_without_the_scope_may_neither_read_nor_search(
    clinic: Clinic, anonymous: httpx.AsyncClient, kind: str
) -> None:
    pepper = clinic.app.state.authority.pepper
    async with begin(system(clinic.tenant_id, job="test")) as tx:
        key = await create_key(tx, pepper=pepper, name="weak", scopes=SCOPES - {KINDS[kind].scope})
    for path in (f"/fhir/{kind}", f"/fhir/{kind}/{uuid4()}"):
        refused = await anonymous.get(path, headers={"X-API-Key": key})
        assert refused.status_code == 403
        assert refused.json()["issue"][0]["code"] == "forbidden"


REFUSED: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "/Patient/x", {}, 404, "not-found"),
    ("GET", "/Nothing", {}, 404, "not-found"),
    ("GET", "/Nothing/x/y/z", {}, 404, "not-found"),
    ("PUT", "/metadata", {}, 405, "not-supported"),
    ("GET", "/Patient", {"headers": {"Accept": "application/fhir+xml"}}, 406, "not-supported"),
    ("GET", "/Patient?_format=xml", {}, 406, "not-supported"),
    ("POST", "/Patient/_search", {"json": {}}, 415, "not-supported"),
    ("POST", "/Patient/_search", {"content": b"x" * 2_000_000}, 413, "too-long"),
    ("GET", "/Patient?name=%FF", {}, 400, "invalid"),
]


@pytest.mark.parametrize("refusal", REFUSED, ids=lambda one: f"{one[0]} {one[1]}")
async def test_a_refusal_is_an_outcome(
    fhir: Server, refusal: tuple[str, str, dict[str, Any], int, str]
) -> None:
    method, path, options, status, code = refusal
    refused = await fhir.send(method, path, **options)
    assert refused.status_code == status, refused.text
    assert refused.json()["issue"][0]["code"] == code


async def test_without_a_key_there_is_metadata_alone(anonymous: httpx.AsyncClient) -> None:
    refused = await anonymous.get("/fhir/Patient")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["issue"][0]["code"] == "login"
    told = await anonymous.get("/fhir/metadata")
    assert told.json()["resourceType"] == "CapabilityStatement"
    assert {one["type"] for one in told.json()["rest"][0]["resource"]} == {
        *KINDS,
        "Slot",
        "Subscription",
    }


async def test_the_other_door_answers_fhir_to_who_accepts_it(
    clinic: Clinic, fhir: Server, other_clinic: Clinic
) -> None:
    made = await visit(clinic)
    drug = await prescription(clinic)
    accept = {"Accept": "application/fhir+json"}
    for path, kind, record_id in (
        ("patients", "Patient", made["patient_id"]),
        ("appointments", "Appointment", made["id"]),
        ("medications", "MedicationRequest", drug["id"]),
    ):
        where = f"/api/v1/{path}/{record_id}"
        answer = await clinic.http.get(where, headers=accept)
        assert answer.headers["content-type"] == "application/fhir+json"
        assert answer.json() == await fhir.read(kind, record_id)
        refused = await other_clinic.http.get(where, headers=accept)
        assert refused.status_code == 404
        assert refused.json()["resourceType"] == "OperationOutcome"
        plain = await clinic.get(f"/{path}/{record_id}", headers={"Accept": "application/json"})
        assert plain.json()["data"]["id"] == record_id
    lists = await clinic.get("/patients", headers=accept)
    assert lists.json()["success"] is True


def said(response: httpx.Response) -> list[str]:
    """Return which parameters an OperationOutcome names."""
    return [name for issue in response.json()["issue"] for name in issue["expression"]]


@pytest.mark.parametrize("name", ["_count", "_summary", "_total"])
async def test_how_a_search_is_answered_is_said_once(fhir: Server, name: str) -> None:
    value = {"_count": "1", "_summary": "true", "_total": "none"}[name]
    refused = await fhir.send("GET", f"/Patient?{name}={value}&{name}={value}")
    assert (refused.status_code, said(refused)) == (400, [name])


@pytest.mark.parametrize(
    ("version", "known"), [("4.0", True), ('"4.0"', True), ("3.0", False), ("5.0", False)]
)
async def test_another_version_of_fhir_is_neither_told_nor_taken(
    clinic: Clinic, fhir: Server, version: str, known: bool
) -> None:
    path = f"/Patient/{(await clinic.patient())['id']}"
    media = f"application/fhir+json; fhirVersion={version}"
    told = await fhir.send("GET", path, headers={"Accept": media})
    assert told.status_code == (200 if known else 406)
    either = await fhir.send("GET", path, headers={"Accept": f"{media}, application/fhir+json"})
    assert either.status_code == 200
    asked = await fhir.send("GET", path, params={"_format": media})
    assert asked.status_code == (200 if known else 406)
    taken = await fhir.send("PUT", path, content=b"{}", headers={"Content-Type": media})
    assert taken.status_code == (400 if known else 415)


async def test_a_part_of_one_is_asked_for_rightly(clinic: Clinic, fhir: Server) -> None:
    path = f"/Patient/{(await clinic.patient())['id']}"
    for where in (path, f"{path}/_history/1"):
        for summary in ("count", "nonsense", ""):
            refused = await fhir.send("GET", f"{where}?_summary={summary}")
            assert refused.status_code == 400
            assert refused.json()["issue"][0]["expression"] == ["_summary"]
        twice = await fhir.send("GET", f"{where}?_summary=true&_summary=data")
        assert (twice.status_code, said(twice)) == (400, ["_summary"])
        for summary in ("true", "text", "data", "false"):
            assert (await fhir.send("GET", f"{where}?_summary={summary}")).status_code == 200
    looked = await fhir.send("HEAD", f"{path}/$everything")
    whole = await fhir.send("GET", f"{path}/$everything")
    assert (looked.status_code, looked.content) == (200, b"")
    assert whole.json()["type"] == "searchset"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RateLimited(retry_after=2), 429, "throttled"),
        (Unavailable(retry_after=2), 503, "transient"),
        (TooSlow(), 408, "timeout"),
        (RuntimeError("secret words"), 500, "exception"),
    ],
)
async def test_what_fails_elsewhere_is_an_outcome_as_well(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    async def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(actions, "search", fail)
    answer = await clinic.http.get("/fhir/Patient")
    assert answer.status_code == status
    assert answer.headers.get("retry-after") == ("2" if status in {429, 503} else None)
    assert answer.headers["content-type"] == "application/fhir+json"
    judge(answer.content)
    [issue] = answer.json()["issue"]
    assert (issue["code"], issue["severity"]) == (code, "fatal" if status >= 500 else "error")
    assert "secret" not in answer.text
