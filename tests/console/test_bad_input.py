"""What is entered wrongly is refused with a page, never met by a fault."""

from urllib.parse import quote

import pytest

from chroniccare.console import pages
from tests.client import Clinic
from tests.console.conftest import SignIn
from tests.console.visits import booked

pytestmark = pytest.mark.usefixtures("clock")


@pytest.mark.parametrize(
    "path",
    [
        "/calendar?day=9999-12-31", "/calendar?view=week&day=9999-12-30",
        "/calendar?view=week&day=0001-01-01", "/calendar?day=2200-01-01",
        "/book?from_date=9999-12-31", "/book?from_date=0001-01-02",
    ],
)  # fmt: skip
async def test_days_at_the_ends_of_the_calendar(clinic: Clinic, sign_in: SignIn, path: str) -> None:
    desk = await sign_in("front_desk")
    await clinic.provider()
    assert (await desk.get(path)).status_code < 500


async def test_a_visit_moved_to_no_time_says_so(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    visit = await booked(clinic, await clinic.provider())
    for query in (
        "day=0001-01-01&clock=00:00", "day=9999-12-31&clock=23:59", "minutes=²",
        "start=0001-01-01T00:00:00Z", f"start={quote('9999-12-31T23:59:59-12:00')}",
        f"day=2031-03-04&clock=15:00&minutes={'9' * 40}",
    ):  # fmt: skip
        assert (await desk.get(f"/visits/{visit['id']}?{query}")).status_code == 200, query


@pytest.mark.parametrize("number", ["²", "9" * 30, "-", "--1"])
async def test_numbers_that_are_none_are_refused(
    clinic: Clinic, sign_in: SignIn, number: str
) -> None:
    desk = await sign_in()
    provider, patient = await clinic.provider(), await clinic.patient()
    place = provider["facilities"][0]["facility_id"]
    form = {
        "patient_id": patient["id"], "provider_id": provider["id"], "facility_id": place,
        "scheduled_start": "2031-03-05T12:00:00-05:00", "appointment_type": "follow_up",
        "duration_minutes": number, "act": "book",
    }  # fmt: skip
    assert (await desk.post("/book/slot", form)).status_code == 400
    assert (await desk.get(f"/book?duration_minutes={quote(number)}")).status_code == 400
    week = {
        "day_of_week": "1", "facility_id": place, "start_time": "09:00", "end_time": "12:00",
        "slot_duration": number, "effective_from": "2031-01-01", "effective_until": "",
        "is_available": "yes", "reserved_for": "", "release_minutes": "", "version": "1",
    }  # fmt: skip
    answer = await desk.post(f"/availability/providers/{provider['id']}/week", week)
    assert answer.status_code == 400


async def test_a_series_from_no_time_is_refused(clinic: Clinic, sign_in: SignIn) -> None:
    desk = await sign_in("front_desk")
    provider, patient = await clinic.provider(), await clinic.patient()
    form = {
        "patient_id": patient["id"], "provider_id": provider["id"],
        "facility_id": provider["facilities"][0]["facility_id"], "appointment_type": "follow_up",
        "duration_minutes": "30", "act": "preview", "pattern": "weekly", "count": "3",
    }  # fmt: skip
    for start in ("", "soon", "9999-12-31T23:59:59-12:00"):
        answer = await desk.post("/book/slot", {**form, "scheduled_start": start})
        assert answer.status_code == 400


async def test_a_fault_of_ours_is_a_page_that_tells_nothing_of_it(
    sign_in: SignIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = await sign_in()
    whole = pages.page

    def broken(request: object, template: str, **context: object) -> object:
        if template != "problem.html":
            raise RuntimeError("the inside")
        return whole(request, template, **context)  # type: ignore[arg-type]

    monkeypatch.setattr(pages, "page", broken)
    answer = await desk.get("/availability")
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("text/html")
    assert "Something went wrong on our side." in answer.text
    assert "inside" not in answer.text
    assert [one.message for one in caplog.records if one.exc_info] == ["unhandled"]
