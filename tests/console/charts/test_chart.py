"""The chart of a patient: every part of it, and what may be changed in it."""

from dataclasses import replace

import pytest

from chroniccare.core.ids import new_id
from tests.console.charts.made import SCRIPT, maria, measured, prescribed
from tests.console.conftest import Axe, Open, SignIn
from tests.notifications.support import Bench

ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"
PARTS = ("", "/visits", "/medicines", "/messages", "/readings", "/preferences", "/contact",
         "/access")  # fmt: skip


async def test_every_part_shows_what_the_api_answers(bench: Bench, sign_in: SignIn) -> None:
    patient = await maria(bench, first_name="Maria")
    await prescribed(bench, patient, f"Metformin {SCRIPT}", "ttmt")
    await measured(bench.clinic, patient, 2)
    desk = await sign_in()
    shown = {}
    for part in PARTS:
        answer = await desk.get(f"/patients/{patient}{part}")
        assert answer.status_code == 200, f"{part}: {answer.text[-500:]}"
        assert "<script>alert" not in answer.text
        shown[part] = answer.text
    assert ESCAPED in shown[""]
    assert "Booking confirmation" in shown[""]
    assert "Blood pressure <strong>146/80 mmHg" in shown[""]
    assert "Rahman" in shown["/visits"]
    visit = shown["/visits"].split("/console/visits/")[1][:36]
    assert (await desk.get(f"/visits/{visit}")).status_code == 200
    assert ESCAPED in shown["/medicines"]
    assert "75 %" in shown["/medicines"]
    assert "Delivered" in shown["/messages"]
    assert "As a table" in shown["/readings"]
    assert "Dana Lee" in shown["/access"]
    at = shown["/messages"].split(f"/console/patients/{patient}/messages/")[1]
    story = await desk.get(f"/patients/{patient}/messages/{at[:36]}")
    assert "Planned for" in story.text


async def test_who_is_nowhere_and_what_is_no_id_are_not_found(sign_in: SignIn) -> None:
    desk = await sign_in()
    for one in ("6f1e7a70-0000-7000-8000-000000000000", "6f1e7a70"):
        assert (await desk.get(f"/patients/{one}")).status_code == 404


@pytest.mark.parametrize(
    ("role", "missing", "there"),
    [
        ("front_desk", ("Medicines", "Home readings", "Who read this", "Diagnosis"), "Messages"),
        ("auditor", ("Book a visit", "+1415"), "Who read this"),
        ("clinician", ("Who read this",), "Medicines"),
    ],
)
async def test_a_role_sees_the_parts_that_it_may_read(
    bench: Bench, sign_in: SignIn, role: str, missing: tuple[str, ...], there: str
) -> None:
    patient = await maria(bench)
    desk = await sign_in(role)
    text = (await desk.get(f"/patients/{patient}")).text
    assert there in text
    assert [one for one in missing if one in text] == []
    contact = await desk.get(f"/patients/{patient}/contact")
    assert ("Hidden from your role" in contact.text) == (role == "auditor")


async def test_a_part_that_the_role_lacks_is_not_allowed(bench: Bench, sign_in: SignIn) -> None:
    patient = await bench.patient()
    desk = await sign_in("front_desk")
    answer = await desk.get(f"/patients/{patient}/readings")
    assert (answer.status_code, "Not allowed" in answer.text) == (403, True)


async def test_contact_is_changed_and_the_rest_stays(bench: Bench, sign_in: SignIn) -> None:
    patient = await bench.patient(primary_diagnosis="Asthma", insurance_info={"payer": "Acme"})
    desk = await sign_in("front_desk")  # who sees neither diagnosis nor payer
    form: dict[str, object] = {
        "version": "1", "first_name": SCRIPT, "last_name": "Ortiz", "date_of_birth": "1961-04-12",
        "gender": "female", "language": "es", "time_zone": "America/Chicago",
        "phone": "+1 (415) 555-0777\n+14155550778", "email": "ana@example.com", "line": "1 Main St",
        "city": "Springfield", "country": "US", "emergency_name": "Luis",
    }  # fmt: skip
    saved = await desk.post(f"/patients/{patient}/contact", form)
    assert saved.headers["location"] == f"/console/patients/{patient}/contact?said=saved"
    page = await desk.get(f"/patients/{patient}/contact?said=saved")
    assert "Saved." in page.text
    assert ESCAPED in page.text
    now = (await bench.clinic.get(f"/patients/{patient}")).json()["data"]
    assert [one["value"] for one in now["contact_info"]["telecom"]] == [
        "+14155550777", "+14155550778", "ana@example.com",
    ]  # fmt: skip
    assert (now["primary_diagnosis"], now["insurance_info"]) == ("Asthma", {"payer": "Acme"})
    assert (now["time_zone"], now["emergency_contact"]) == ("America/Chicago", {"name": "Luis"})
    # Sent once more, and by somebody who had seen the old record: nothing is lost, nothing is done.
    stale = await desk.post(f"/patients/{patient}/contact", {**form, "last_name": "Perez"})
    assert stale.status_code == 412
    assert "Your entries are still here" in stale.text
    assert 'value="Perez"' in stale.text
    assert "It is now:" in stale.text
    wrong: dict[str, object] = {
        **form,
        "version": "2",
        "phone": "12",
        "date_of_birth": "2099-01-01",
    }
    refused = await desk.post(f"/patients/{patient}/contact", wrong)
    assert refused.status_code in {400, 422}
    assert "Not saved." in refused.text
    assert 'value="2099-01-01"' in refused.text
    assert 'aria-describedby="e-phone"' in refused.text
    assert '<a href="#f-phone">phone</a>' in refused.text


async def test_contact_is_changed_while_the_glass_is_broken(bench: Bench, sign_in: SignIn) -> None:
    patient = await bench.patient(primary_diagnosis="Asthma", insurance_info={"payer": "Acme"})
    desk = await sign_in("front_desk")
    emergency = replace(desk.session.caller, emergency_id=new_id())
    object.__setattr__(desk.session, "caller", emergency)
    form = {
        "version": "1", "first_name": "Ana", "last_name": "Perez", "date_of_birth": "1961-04-12",
        "language": "es", "time_zone": "America/Chicago", "phone": "+14155550777",
    }  # fmt: skip
    saved = await desk.post(f"/patients/{patient}/contact", form)
    assert saved.status_code == 303, saved.text
    now = (await bench.clinic.get(f"/patients/{patient}")).json()["data"]
    assert (now["last_name"], now["primary_diagnosis"], now["insurance_info"]) == (
        "Perez", "Asthma", {"payer": "Acme"},
    )  # fmt: skip


async def test_preferences_are_changed(bench: Bench, sign_in: SignIn) -> None:
    patient = await bench.patient()
    desk = await sign_in("front_desk")
    form: dict[str, object] = {
        "version": "1", "channel": ["email", "sms", ""], "consent_sms": "no",
        "consent_email": "yes", "consent_push": "", "category": ["appointments", "refills"],
        "quiet_start": "21:00", "quiet_end": "08:00",
    }  # fmt: skip
    at = f"/patients/{patient}/preferences"
    assert (await desk.post(at, form)).status_code == 303
    now = (await bench.clinic.get(f"/patients/{patient}/notification-preferences")).json()["data"]
    assert now["channels"] == ["email", "sms"]
    assert now["consents"] == {"sms": False, "email": True, "push": None}
    assert now["quiet_hours"] == {"start": "21:00", "end": "08:00"}
    assert [one["category"] for one in now["categories"] if one["enabled"]] == [
        "appointments", "refills",
    ]  # fmt: skip
    assert (await desk.post(at, form)).status_code == 412
    wrong: dict[str, object] = {**form, "version": "2", "quiet_end": ""}
    refused = await desk.post(at, wrong)
    assert (refused.status_code, "Not saved." in refused.text) == (400, True)
    assert 'aria-describedby="e-quiet_end"' in refused.text
    nothing: dict[str, object] = {"channel": "sms", "because": "asked"}
    assert (await desk.post(f"{at}/resubscribe", nothing)).status_code in {303, 409}
    auditor = await sign_in("auditor")
    assert (await auditor.post(at, {**form, "version": "2"})).status_code == 403


async def test_a_chart_by_keyboard_alone(
    bench: Bench, sign_in: SignIn, window: Open, axe: Axe
) -> None:
    patient = await maria(
        bench, first_name="Maria", last_name="Ortiz", primary_diagnosis="Type 2 diabetes"
    )
    await prescribed(bench, patient, "Metformin 500 mg tablet", "tttmtttmt" * 4)
    await measured(bench.clinic, patient, 20)
    opened = await window(await sign_in())
    page = await opened.go(f"/patients/{patient}")
    await axe(page)
    await opened.picture("chart")
    for name, picture in (("Medicines", "chart-medicines"), ("Home readings", "chart-readings"),
                          ("Messages", "chart-messages"),
                          ("Consents and preferences", "chart-preferences"),
                          ("Who read this", "chart-access")):  # fmt: skip
        await page.locator(".tabs").get_by_role("link", name=name).focus()
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/" + picture.removeprefix("chart-"))
        await axe(page)
        await opened.picture(picture)
    await page.locator(".tabs").get_by_role("link", name="Contact").focus()
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/contact")
    await page.focus("#f-city")
    await page.keyboard.type("Rivertown")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/contact?said=saved")
    assert await page.input_value("#f-city") == "Rivertown"
    await axe(page)
