"""What must be understood or refused: modifiers, escapes, other servers' records, huge bodies."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.fhir import values
from tests.client import Clinic
from tests.fhir.server import Server
from tests.fhir.test_booking import appointment
from tests.fhir.test_write import SMALL, make

MODIFIER = [{"url": "http://other/negated", "valueBoolean": True}]


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"modifierExtension": MODIFIER}, "Patient.modifierExtension"),
        ({"implicitRules": "http://other/rules"}, "Patient.implicitRules"),
        (
            {"contact": [{"modifierExtension": MODIFIER, "name": {"family": "A"}}]},
            "Patient.contact[0].modifierExtension",
        ),
        (
            {
                "contained": [
                    {"resourceType": "Organization", "id": "o", "name": "O", "implicitRules": "x:y"}
                ],
                "managingOrganization": {"reference": "#o"},
            },
            "Patient.contained[0].implicitRules",
        ),
    ],
)
async def test_what_may_change_the_meaning_is_refused(
    fhir: Server, more: dict[str, Any], place: str
) -> None:
    made = await make(fhir, SMALL)
    for method, path in (("POST", "/Patient"), ("PUT", f"/Patient/{made['id']}")):
        body = {**SMALL, **more, **({"id": made["id"]} if method == "PUT" else {})}
        answer = await fhir.send(method, path, json=body)
        assert answer.status_code == 422
        [issue] = answer.json()["issue"]
        assert issue["expression"] == [place]
        assert issue["code"] in {"extension", "not-supported"}
    assert await fhir.read("Patient", made["id"]) == made


async def test_silence_brings_no_patient_back(clinic: Clinic, fhir: Server) -> None:
    made = await make(fhir, {**SMALL, "active": False})
    path = f"/Patient/{made['id']}"
    silent = await fhir.send("PUT", path, json={**SMALL, "id": made["id"], "gender": "male"})
    assert silent.json()["active"] is False
    assert (await clinic.get(f"/patients/{made['id']}")).json()["data"]["is_active"] is False
    said = await fhir.send("PUT", path, json={**SMALL, "id": made["id"], "active": True})
    assert said.json()["active"] is True


async def test_records_of_other_servers(clinic: Clinic, fhir: Server) -> None:
    patient, provider = await clinic.patient(), await clinic.provider()
    booking = appointment(patient["id"], provider["id"])
    own = (await fhir.search("Patient"))["link"][0]["url"].removesuffix("/Patient")
    for base, status in (("https://other.example/fhir", 422), (own, 201)):
        for one, name in zip(booking["participant"], ("Patient", "Practitioner"), strict=False):
            number = patient["id"] if name == "Patient" else provider["id"]
            one["actor"]["reference"] = f"{base}/{name}/{number}"
        answer = await fhir.send("POST", "/Appointment", json=booking)
        assert answer.status_code == status, answer.text
        if status == 422:
            places = [one["expression"][0] for one in answer.json()["issue"]]
            assert places == [f"Appointment.participant[{n}].actor" for n in range(2)]
    theirs = [{"reference": f"https://other.example/fhir/Practitioner/{provider['id']}"}]
    made = await make(fhir, {**SMALL, "generalPractitioner": theirs})
    assert made["generalPractitioner"] == theirs
    assert (await clinic.get(f"/patients/{made['id']}/providers")).json()["data"]["items"] == []


async def test_escaped_letters_separate_nothing(fhir: Server) -> None:
    codes = {"type": {"coding": [{"code": "MR"}]}}
    made = await make(fhir, {**SMALL, "identifier": [{**codes, "value": "A|1,2$3\\4"}]})
    name = made["identifier"][0]
    for value in (r"A\|1\,2\$3\\4", rf"{name['system']}|A\|1\,2\$3\\4", r"x,A\|1\,2\$3\\4"):
        assert await fhir.ids(f"Patient?identifier={value}") == [made["id"]], value
    assert await fhir.ids(r"Patient?identifier=A|1\,2\$3\\4") == []
    comma = await make(fhir, {**SMALL, "name": [{"family": "Ng, Jr|x", "given": ["Zoe"]}]})
    assert await fhir.ids(r"Patient?family:exact=Ng\, Jr\|x") == [comma["id"]]


@given(st.lists(st.text(st.characters(blacklist_characters="\0"), min_size=1), min_size=1))
def test_values_come_back_whatever_is_in_them(texts: list[str]) -> None:
    def escaped(text: str) -> str:
        for letter in "\\,|$":
            text = text.replace(letter, "\\" + letter)
        return text

    found = values.split(",".join(escaped(one) for one in texts))
    assert [values.whole(one) for one in found] == texts
    with_system = values.split(",".join(f"a:b|{escaped(one)}" for one in texts))
    assert [values.coded(one) for one in with_system] == [("a:b", "|", one) for one in texts]


@pytest.mark.parametrize("path", ["", "/Patient"])
async def test_huge_and_deep_bodies_are_refused_at_once(fhir: Server, path: str) -> None:
    entry = b'{"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},'
    huge = b'{"resourceType":"Bundle","type":"batch","entry":[' + entry * 600_000
    assert len(huge) > 50_000_000
    deep = b'{"resourceType":"Patient","extension":[' * 200
    for body, status in ((huge, 413), (deep, 400)):
        begun = time.process_time()
        answer = await fhir.send(
            "POST", path, content=body, headers={"content-type": "application/fhir+json"}
        )
        assert answer.status_code == status, answer.text
        assert time.process_time() - begun < 0.5
    assert await fhir.ids("Patient") == []
