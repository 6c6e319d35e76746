"""A clinic prescribes, and everything that follows: through HTTP and the worker's loops alone."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest

from chroniccare.core.time import to_local, zone
from chroniccare.medications import lifecycle
from chroniccare.medications.adherence.inferring import infer_missed
from chroniccare.medications.doses import rounds as doses
from chroniccare.medications.fills import rounds as refills
from chroniccare.medications.reminders import replies
from chroniccare.medications.reminders import rounds as reminders
from chroniccare.notifications.inbound import receiving
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.conftest import Running
from tests.medications.support import Ward
from tests.notifications.inbound.phone import Phone, clear_the_inbox, own_number, phone_of
from tests.notifications.receipts.amazon import SECRET
from tests.notifications.support import Clock, Kept

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
async def taking(running: Running, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Settings.model_validate(settings.model_dump() | {"receipts_secret": SECRET})
    monkeypatch.setattr(running.platform.database, "settings", made)
    await clear_the_inbox()


@dataclass(slots=True)
class Care:
    """A patient who lives in New York, in care."""

    ward: Ward
    patient: dict[str, Any]
    phone: Phone

    @property
    def clinic(self) -> Clinic:
        return self.ward.clinic

    @property
    def clock(self) -> Clock:
        return self.ward.clock

    @property
    def home(self) -> str:
        return f"/patients/{self.patient['id']}"

    async def tasks(self) -> list[tuple[str, str]]:
        """Return the open tasks: what, and about which medication."""
        found = (await self.clinic.get("/tasks")).json()["data"]["items"]
        return [(one["code"], one["focus_id"]) for one in found]

    def body(self, sig: str, *, starts: date | None = None, **fields: Any) -> dict[str, Any]:
        return {
            "medication_name": "Metformin 500 mg tablet", "sig": sig,
            "start_date": str(starts or to_local(self.clock.at, zone("America/New_York")).date()),
            "prescribing_provider_id": str(self.ward.bench.provider_id), **fields,
        }  # fmt: skip

    async def prescribe(self, sig: str, **fields: Any) -> str:
        made = await self.clinic.make(f"{self.home}/medications", self.body(sig, **fields))
        return f"/medications/{made['id']}"

    async def doses(self, path: str, **query: Any) -> list[dict[str, Any]]:
        found = await self.clinic.get(f"{path}/doses", params={"limit": 100, **query})
        assert found.status_code == 200, found.text
        items: list[dict[str, Any]] = found.json()["data"]["items"]
        return items

    async def due(self, path: str, **query: Any) -> list[datetime]:
        return [datetime.fromisoformat(one["due_at"]) for one in await self.doses(path, **query)]

    async def times(self, path: str, in_zone: str = "America/New_York", **query: Any) -> list[str]:
        """Return when doses are due, by the clock of a zone."""
        found = await self.due(path, **query)
        return [f"{to_local(one, zone(in_zone)):%d %H:%M}" for one in found]

    async def moves(self, time_zone: str) -> None:
        patient = (await self.clinic.get(self.home)).json()["data"]
        body = self.clinic.patient_body(
            mrn=patient["mrn"], contact_info=patient["contact_info"], time_zone=time_zone
        )
        assert (await self.clinic.put(self.home, body)).status_code == 200

    async def does(self, path: str, step: str, **body: Any) -> None:
        answer = await self.clinic.post(f"{path}/{step}", body or None)
        assert answer.status_code == 200, answer.text

    async def stops(self, path: str) -> None:
        answer = await self.clinic.send("DELETE", path, json={"reason": "Cough"})
        assert answer.status_code == 200, answer.text

    async def works(self) -> None:
        """Run the loops of the worker once, in the order in which it lists them."""
        tenant_id = self.clinic.tenant_id
        await receiving.receive_due()
        for work in (
            lifecycle.sweep, doses.run, reminders.run, replies.sweep, infer_missed, refills.run
        ):  # fmt: skip
            await work(tenant_id)
        await self.ward.bench.drain()
        await reminders.note_reminded(tenant_id)

    async def until(self, moment: datetime) -> list[Kept]:
        """Let time come to `moment` in steps of 90 minutes; return what was sent on the way."""
        before = len(await self.ward.bench.outbox())
        while self.clock.at < moment:
            self.clock.at = min(self.clock.at + timedelta(minutes=90), moment)
            await self.works()
        return (await self.ward.bench.outbox())[before:]

    async def says(self, text: str) -> dict[str, Any]:
        assert (await self.phone.post(text)).status_code == 200
        await self.works()
        return (await self.phone.replies())[0]


@pytest.fixture
async def care(ward: Ward, anonymous: httpx.AsyncClient) -> Care:
    return await in_care(ward, anonymous)


async def in_care(ward: Ward, http: httpx.AsyncClient, **fields: Any) -> Care:
    contact = own_number()
    patient = await ward.clinic.patient(**{"contact_info": contact, **fields})
    return Care(ward, patient, await phone_of(ward.clinic, ward.clock, http, patient["id"]))


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """Return an instant of March 2031 in UTC; New York is 5 hours behind until the 9th, then 4."""
    return datetime(2031, 3, day, hour, minute, tzinfo=UTC)


async def test_from_the_prescription_to_the_last_message(
    care: Care, ward: Ward, anonymous: httpx.AsyncClient
) -> None:
    other = await in_care(ward, anonymous)
    path, others = await care.prescribe("1 tab po bid"), await other.prescribe("1 tab po bid")
    # Noon of 4 March: that day's evening, and 13 days of two.
    assert len(await care.due(path)) == 27
    assert set((await care.times(path))[:3]) == {"04 18:00", "05 08:00", "05 18:00"}

    sent = await care.until(at(4, 23))
    mine = [one for one in sent if one.recipient == care.phone.number]
    assert (len(mine), len(sent)) == (1, 2)
    assert "it is time for your 6:00 PM EST medicine" in mine[0].body
    assert "etformin" not in mine[0].body
    assert [one["state"] for one in (await care.doses(path))[:2]] == ["reminded", "planned"]

    reply = await care.says("TAKEN")
    assert (reply["action"], reply["action_status"]) == ("taken", "done")
    assert (await care.doses(path))[0]["state"] == "taken"
    assert (await other.doses(others))[0]["state"] == "reminded"
    await other.stops(others)

    found = await care.clinic.get(path)
    body = care.body("1 tab po tid", starts=date(2031, 3, 4))
    stale = await care.clinic.put(path, body, headers={"If-Match": '"9"'})
    assert stale.status_code == 412
    changed = await care.clinic.put(path, body, headers={"If-Match": found.headers["etag"]})
    assert changed.status_code == 200, changed.text
    assert (await care.times(path))[:5] == [
        "04 18:00", "05 08:00", "05 12:00", "05 18:00", "06 08:00",
    ]  # fmt: skip
    sent = await care.until(at(5, 17, 30))
    assert ["8:00 AM" in one.body for one in sent] == [True, False]
    assert "12:00 PM" in sent[1].body

    await care.does(path, "hold", hold_until=None)
    assert await care.until(at(6, 17, 30)) == []
    assert (await care.clinic.get(f"{path}/doses", params={"state": "planned"})).json()["data"][
        "items"
    ] == []
    await care.does(path, "resume")
    [evening] = await care.until(at(6, 23, 30))
    assert "6:00 PM" in evening.body

    await care.moves("Asia/Tokyo")
    await care.works()
    coming = await care.due(path, state="planned")
    assert {f"{to_local(one, zone('Asia/Tokyo')):%H:%M}" for one in coming[3:]} == {
        "08:00", "12:00", "18:00",
    }  # fmt: skip
    told = await care.due(path, from_date="2031-03-06", to_date="2031-03-20")
    assert min(b - a for a, b in pairwise(told)) >= timedelta(hours=2)
    [morning, *_] = await care.until(at(7, 5))
    assert "JST" in morning.body or "GMT+9" in morning.body, morning.body

    await care.stops(path)
    assert await care.until(at(9, 5)) == []
    assert await care.doses(path, state="planned") == []


async def test_a_taper_an_interval_through_the_change_of_clocks_and_a_cycle(care: Care) -> None:
    taper = await care.prescribe(
        "2 tablets po daily for 3 days, then 1 tablet daily for 3 days, then stop",
        medication_name="Prednisone 20 mg tablet",
        starts=date(2031, 3, 5),
    )
    assert [float(one["quantity"]) for one in await care.doses(taper)] == [2, 2, 2, 1, 1, 1]

    every = await care.prescribe("1 tablet po q8h", medication_name="Amoxicillin 500 mg capsule")
    found = await care.due(every)
    assert {b - a for a, b in pairwise(found)} == {timedelta(hours=8)}
    clocks = await care.times(every, from_date="2031-03-08", to_date="2031-03-09")
    assert clocks == ["08 07:00", "08 15:00", "08 23:00", "09 08:00", "09 16:00"]

    cycle = await care.prescribe(
        "1 tablet po daily, 21 days on, 7 days off", medication_name="Estradiol 1 mg tablet"
    )
    care.clock.forward(days=15)
    await care.works()
    days = [
        one["due_at"][5:10]
        for one in await care.doses(cycle, from_date="2031-03-20", to_date="2031-04-02")
    ]
    assert days == ["03-20", "03-21", "03-22", "03-23", "03-24", "04-01", "04-02"]
    assert (await care.clinic.get(taper)).json()["data"]["status"] == "completed"


async def test_what_is_taken_as_needed_is_never_planned_nor_told(care: Care) -> None:
    path = await care.prescribe("1 tablet po q6h prn pain", medication_name="Ibuprofen 400 mg")
    assert await care.until(at(5, 17)) == []
    assert await care.doses(path) == []


async def test_a_supply_from_its_fill_to_the_prescriber(care: Care) -> None:
    path = await care.prescribe("1 tab po daily", refills_remaining=0, reminders=False)
    fill = {"filled_on": "2031-03-04", "days_supply": 10, "kind": "first_fill",
            "source": "pharmacy"}  # fmt: skip
    assert (await care.clinic.post(f"{path}/fills", fill)).status_code == 201
    supply = (await care.clinic.get(f"{path}/supply")).json()["data"]
    assert supply["run_out_on"] == "2031-03-13"
    while care.clock.at < at(14, 17):
        care.clock.forward(hours=6)
        await care.works()
    sent = [one.body for one in await care.ward.bench.outbox() if "supply" in one.body]
    assert len(sent) == 3
    assert all("etformin" not in one for one in sent)
    assert await care.tasks() == [("renew_prescription", path.rpartition("/")[2])]


@pytest.mark.parametrize("ends", ["renewed", "stopped"])
async def test_the_prescriber_is_asked_no_longer_than_needed(care: Care, ends: str) -> None:
    path = await care.prescribe("1 tab po daily")
    fill = {"filled_on": "2031-03-04", "days_supply": 5, "kind": "first_fill",
            "source": "pharmacy"}  # fmt: skip
    assert (await care.clinic.post(f"{path}/fills", fill)).status_code == 201
    assert await care.tasks() == [("renew_prescription", path.rpartition("/")[2])]
    if ends == "renewed":
        body = care.body("1 tab po daily", refills_remaining=3)
        assert (await care.clinic.put(path, body)).status_code == 200
    else:
        await care.stops(path)
    assert await care.tasks() == []


async def test_a_fill_of_another_age_is_refused(care: Care) -> None:
    path = await care.prescribe("1 tab po daily")
    fill = {"filled_on": "1931-03-04", "days_supply": 5, "kind": "first_fill",
            "source": "pharmacy"}  # fmt: skip
    answer = await care.clinic.post(f"{path}/fills", fill)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["field"] == "filled_on"
