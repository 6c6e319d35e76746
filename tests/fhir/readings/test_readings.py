"""What a patient measured at home, in figures."""

from typing import Any

import pytest

from chroniccare.core.ids import new_id
from chroniccare.fhir.readings.rules import Reading, reading
from tests.client import Clinic
from tests.fhir.examples import LOINC, UCUM, coded, to
from tests.fhir.server import Server
from tests.fhir.stored.made import pressure

Json = dict[str, Any]


def measured(code: str, value: float, unit: str, **more: Any) -> Json:
    quantity = {"value": value, "unit": unit, "system": UCUM, "code": unit}
    return {
        "resourceType": "Observation", "status": "final", "code": coded(code, LOINC),
        "valueQuantity": quantity, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        (measured("2339-0", 5.5, "mmol/L"), Reading("glucose", 99.1, None, "mg/dL")),
        (measured("29463-7", 180, "[lb_av]"), Reading("weight", 81.6, None, "kg")),
        (measured("29463-7", 80, "stone"), None),
        (measured("29463-7", 80, "kg", status="entered-in-error"), None),
        (measured("718-7", 13, "g/dL"), None),
        (pressure("p", 128), Reading("blood_pressure", 128, 80, "mmHg")),
        ({**pressure("p", 128), "component": []}, None),
        ({"status": "final", "code": {"text": "weight"}}, None),
    ],
)
def test_an_observation_is_a_reading_or_none(observation: Json, expected: Reading | None) -> None:
    assert reading(observation) == expected


async def stored(fhir: Server, observation: Json) -> None:
    answer = await fhir.send("POST", "/Observation", json=observation)
    assert answer.status_code == 201, answer.text


async def test_readings_are_listed_by_kind_and_time(clinic: Clinic, fhir: Server) -> None:
    patient = (await clinic.patient())["id"]
    path = f"/patients/{patient}/readings"
    for day in (1, 2, 3):
        await stored(
            fhir, pressure(patient, 120 + day, effectiveDateTime=f"2026-03-0{day}T08:00:00Z")
        )
    weight = {"subject": to(f"Patient/{patient}"), "effectiveDateTime": "2026-03-02T09:00:00Z"}
    await stored(fhir, measured("29463-7", 80, "kg", **weight))
    await stored(fhir, measured("718-7", 13, "g/dL", **weight))
    found = (await clinic.get(path)).json()["data"]["items"]
    assert [(one["kind"], one["value"]) for one in found] == [
        ("blood_pressure", 123.0), ("weight", 80.0), ("blood_pressure", 122.0),
        ("blood_pressure", 121.0),
    ]  # fmt: skip
    params = {"kind": "blood_pressure", "from": "2026-03-02T00:00:00Z", "limit": 1}
    first = (await clinic.get(path, params=params)).json()["data"]
    assert [one["taken_at"] for one in first["items"]] == ["2026-03-03T08:00:00Z"]
    rest = await clinic.get(path, params={**params, "cursor": first["next_cursor"]})
    assert [one["value"] for one in rest.json()["data"]["items"]] == [122.0]
    assert (await clinic.get(f"/patients/{new_id()}/readings")).status_code == 404
