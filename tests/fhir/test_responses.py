"""AppointmentResponse: what a patient says of a visit, by the actions of replies and links."""

from typing import Any

import httpx
import pytest

from tests.client import Clinic
from tests.fhir.server import Server, visit
from tests.fhir.test_booking import start

Json = dict[str, Any]


async def say(fhir: Server, made: Json, status: str, **more: Any) -> httpx.Response:
    body = {
        "resourceType": "AppointmentResponse",
        "appointment": {"reference": f"Appointment/{made['id']}"},
        "actor": {"reference": f"Patient/{made['patient_id']}"},
        "participantStatus": status,
        **more,
    }
    return await fhir.send("POST", "/AppointmentResponse", json=body)


async def status_of(clinic: Clinic, made: Json) -> Any:
    return (await clinic.get(f"/appointments/{made['id']}")).json()["data"]["status"]


async def test_an_answer_is_what_it_means(clinic: Clinic, fhir: Server) -> None:
    made = await visit(clinic)
    asked = await fhir.read("AppointmentResponse", made["id"])
    assert asked["participantStatus"] == "needs-action"
    yes = await say(fhir, made, "accepted", start=made["scheduled_start"])
    assert yes.status_code == 201, yes.text
    assert yes.headers["location"].endswith(f"/fhir/AppointmentResponse/{made['id']}")
    assert (yes.json()["participantStatus"], await status_of(clinic, made)) == (
        "accepted", "confirmed"
    )  # fmt: skip
    maybe = await say(fhir, made, "tentative")
    assert maybe.json()["participantStatus"] == "tentative"
    assert maybe.headers["etag"] != yes.headers["etag"]
    tasks = (await clinic.get("/tasks")).json()["data"]["items"]
    assert [(one["code"], one["reason"]) for one in tasks] == [
        ("change_requested", "patient_tentative")
    ]
    for _ in range(2):
        no = await say(fhir, made, "declined", comment="On holiday")
        assert no.json()["participantStatus"] == "declined"
    rest = (await clinic.get(f"/appointments/{made['id']}")).json()["data"]
    assert (rest["status"], rest["cancellation_reason"]) == ("cancelled", "On holiday")
    assert await fhir.ids("AppointmentResponse?part-status=declined") == [made["id"]]
    back = f"Appointment?_id={made['id']}&_revinclude=AppointmentResponse:appointment"
    assert await fhir.ids(back, "include") == [made["id"]]


@pytest.mark.parametrize("status", ["accepted", "declined", "tentative"])
async def test_who_was_told_another_time_changes_nothing(
    clinic: Clinic, fhir: Server, status: str
) -> None:
    made = await visit(clinic)
    answer = await say(fhir, made, status, start=start(9, 41))
    assert answer.status_code == 409
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "OUTDATED"
    assert await status_of(clinic, made) == "scheduled"


async def test_what_is_no_answer(clinic: Clinic, fhir: Server, other_fhir: Server) -> None:
    made = await visit(clinic)
    other = {"reference": f"Practitioner/{made['provider_id']}"}
    for change, status, place in (
        ({"participantStatus": "needs-action"}, 422, "AppointmentResponse.participantStatus"),
        ({"participantStatus": "perhaps"}, 400, "AppointmentResponse.participantStatus"),
        ({"actor": other}, 422, "AppointmentResponse.actor"),
        ({"appointment": {"display": "x"}}, 422, "AppointmentResponse.appointment"),
    ):
        refused = await say(fhir, made, "accepted", **change)
        assert refused.status_code == status, refused.text
        assert refused.json()["issue"][0]["expression"] == [place]
    assert (await say(other_fhir, made, "accepted")).status_code == 404
    assert await status_of(clinic, made) == "scheduled"
