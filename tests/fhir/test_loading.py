"""Synthetic patients with their visits come in by transaction Bundles, and none is refused."""

from datetime import UTC, datetime, timedelta

from tests.client import Clinic
from tests.fhir.server import Server
from tests.fhir.synthetic import Place, bundle, patient

PATIENTS, AT_ONCE = 60, 20
MEDIA = {"content-type": "application/fhir+json"}


async def test_synthetic_patients_load_and_none_is_refused(clinic: Clinic, fhir: Server) -> None:
    provider = await clinic.provider(max_daily_capacity=500)
    start = (datetime.now(UTC) + timedelta(days=10)).replace(hour=0, minute=0, second=0)
    facility = provider["facilities"][0]["facility_id"]
    place = Place(facility, [provider["id"]], start.replace(microsecond=0))
    for first in range(0, PATIENTS, AT_ONCE):
        answer = await fhir.send("POST", "", json=bundle(place, first, AT_ONCE), headers=MEDIA)
        assert answer.status_code == 200, answer.text
        statuses = [one["response"]["status"] for one in answer.json()["entry"]]
        assert statuses == ["201"] * (2 * AT_ONCE)
    counts = [
        (await fhir.search(f"{kind}?_summary=count"))["total"]
        for kind in ("Patient", "Appointment")
    ]
    assert counts == [PATIENTS, PATIENTS]
    for number in (0, 17, PATIENTS - 1):
        [entry] = (await fhir.search(f"Patient?identifier=S-{number:06}"))["entry"]
        found, sent = entry["resource"], patient(number)
        kept = ("name", "gender", "birthDate", "telecom", "address", "maritalStatus", "contact")
        assert {name: found.get(name) for name in kept} == {name: sent.get(name) for name in kept}
        [visit] = (await fhir.search(f"Appointment?patient={found['id']}"))["entry"]
        assert visit["resource"]["comment"] == f"Imported, number {number}."
