"""A clinic from the prescription to low adherence and back, through HTTP and the real loops."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from chroniccare.medications import lifecycle
from chroniccare.medications.adherence import inferring
from chroniccare.medications.adherence.inferring import infer_missed
from chroniccare.medications.doses import rounds
from tests.client import Clinic
from tests.medications.adherence.support import events
from tests.notifications.preferences.support import related
from tests.notifications.support import Bench

LOW, WELL = "medication.adherence.low", "medication.adherence.recovered"
HERS = "+14155550999"
MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Course:
    """A patient's medication, its planned doses in their order, and the next to be reported on."""

    bench: Bench
    patient_id: str
    id: str
    body: dict[str, Any]
    next: int = 0
    doses: list[dict[str, Any]] = field(default_factory=list)

    @property
    def clinic(self) -> Clinic:
        return self.bench.clinic

    async def read(self, path: str, **params: Any) -> dict[str, Any]:
        response = await self.clinic.get(path, params=params)
        assert response.status_code == 200, response.text
        data: dict[str, Any] = response.json()["data"]
        return data

    async def plan(self) -> None:
        """Let the loop plan ahead, and read what is planned."""
        await rounds.run(self.clinic.tenant_id)
        found = await self.read(
            f"/medications/{self.id}/doses", from_date="2031-03-01", to_date="2031-04-30", limit=200
        )
        self.doses = found["items"]

    async def go(self, course: str) -> None:
        """Report a letter a dose, each a minute after it was due."""
        for letter in course:
            await self.plan()
            dose = self.doses[self.next]
            self.bench.clock.at = datetime.fromisoformat(dose["due_at"]) + MINUTE
            body = {"dose_id": dose["id"], "status": "taken" if letter == "t" else "missed"}
            made = await self.clinic.post(f"/medications/{self.id}/adherence", body)
            assert made.status_code == 201, made.text
            self.next += 1

    async def rate(self) -> tuple[float | None, int, int]:
        found = (await self.read(f"/medications/{self.id}/adherence/rate"))["rate"]
        return found["value"], found["numerator"], found["denominator"]

    async def report(self, *names: str) -> list[tuple[Any, ...]]:
        found = await self.read(f"/patients/{self.patient_id}/medications/adherence")
        [mine] = found["medications"]
        figures = [mine["measures"][name] for name in names]
        return [(one["value"], one["numerator"], one["denominator"]) for one in figures]

    async def tasks(self) -> list[tuple[str, str]]:
        found = await self.read("/tasks", code="low_adherence")
        return [(one["reason"], one["status"]) for one in found["items"]]

    async def told(self) -> list[str]:
        """Deliver what is due; return who was written to about adherence."""
        await self.bench.drain()
        about = {
            row.id for row in await self.bench.rows() if row.notification_type == "low_adherence"
        }
        return [
            kept.recipient for kept in await self.bench.outbox() if kept.notification_id in about
        ]


async def prescribed(bench: Bench) -> Course:
    patient = str(await bench.patient())
    await related(bench.clinic, patient, categories=["adherence"])
    body = {
        "medication_name": "Metformin 500 mg tablet", "generic_name": "metformin",
        "sig": "1 tablet by mouth once a day", "start_date": "2031-03-05", "days_supply": 30,
        "refills_remaining": 3, "prescribing_provider_id": str(bench.provider_id),
    }  # fmt: skip
    made = await bench.clinic.make(f"/patients/{patient}/medications", body)
    return Course(bench, patient, made["id"], body)


async def test_from_the_prescription_to_low_adherence_and_back(bench: Bench) -> None:
    course = await prescribed(bench)
    clinic = bench.clinic
    await course.go("tttttttmt")
    assert await course.rate() == (88.9, 8, 9)
    await course.go("mm")  # 8 of 11: each report drops the cached rate
    assert await course.rate() == (72.7, 8, 11)
    assert (await events(clinic)).count(LOW) == 1
    assert await course.tasks() == [("rate", "requested")]
    told = await course.told()
    assert (len(told), HERS in told) == (2, True)
    # What was reported wrong is corrected by the next report, and brings the rate up at once.
    wrong = course.doses[course.next - 1]
    fixed = await clinic.post(
        f"/medications/{course.id}/adherence",
        {"dose_id": wrong["id"], "status": "taken", "source": "caregiver"},
    )
    assert fixed.json()["data"]["corrects_id"] is not None
    assert await course.rate() == (81.8, 9, 11)
    assert WELL not in await events(clinic)  # 85 % is asked for
    await course.go("ttt")  # 12 of 14
    assert await course.rate() == (85.7, 12, 14)
    assert [one for one in await events(clinic) if "adherence" in one] == [LOW, WELL]
    assert await course.tasks() == []
    # The days are those of the patient, through the change of clocks on 9 March.
    assert {one["due_at"][11:16] for one in course.doses[:14]} == {"13:00", "12:00"}
    assert await course.report("doses_taken", "missed_observed", "streak_current") == [
        (85.7, 12, 14), (14.3, 2, 14), (4, 4, 14),
    ]  # fmt: skip
    # Again low, and this time it is stopped: the episode ends and nobody has recovered.
    await course.go("mmm")
    assert (await events(clinic)).count(LOW) == 2
    response = await clinic.send(
        "DELETE", f"/medications/{course.id}", json={"reason": "Not tolerated"}
    )
    assert response.status_code == 200, response.text
    assert [one for one in await events(clinic) if "adherence" in one] == [LOW, WELL, LOW]
    assert await course.tasks() == []
    [mine] = (await course.read(f"/patients/{course.patient_id}/medications/adherence"))[
        "medications"
    ]
    assert mine["low"] is None
    # Two days later nothing was missed that was not to be taken.
    before = await course.rate()
    bench.clock.forward(days=2)
    assert await infer_missed(clinic.tenant_id) == 0
    assert await course.report("missed_inferred") == [(0.0, 0, 17)]
    assert await course.rate() == before


async def test_a_change_and_a_hold_are_no_missed_doses(bench: Bench) -> None:
    course = await prescribed(bench)
    clinic = bench.clinic
    await course.go("ttt")
    changed = await clinic.put(
        f"/medications/{course.id}", {**course.body, "sig": "1 tablet by mouth twice a day"}
    )
    assert changed.status_code == 200, changed.text
    await course.go("tttt")
    held = await clinic.post(f"/medications/{course.id}/hold", {"hold_until": "2031-03-20"})
    assert held.status_code == 200, held.text
    bench.clock.at = datetime.fromisoformat("2031-03-20T04:30:00+00:00")  # 00:30 in New York
    assert await lifecycle.sweep(clinic.tenant_id) == 1
    assert await infer_missed(clinic.tenant_id) == 0
    await course.go("tt")
    assert course.doses[course.next - 1]["local_date"] == "2031-03-20"
    assert await course.report("doses_taken", "missed_inferred", "longest_gap") == [
        (100.0, 9, 9), (0.0, 0, 9), (0, 0, 6),
    ]  # fmt: skip
    assert [one for one in await events(clinic) if "adherence" in one] == []


async def test_a_fill_taken_back_counts_no_more(bench: Bench) -> None:
    course = await prescribed(bench)
    clinic = bench.clinic
    path = f"/medications/{course.id}/fills"
    await clinic.make(path, {"filled_on": "2031-03-04", "days_supply": 30, "kind": "first_fill"})
    bench.clock.forward(days=40)
    await clinic.make(path, {"filled_on": "2031-04-13", "days_supply": 60})
    wrong = await clinic.make(path, {"filled_on": "2031-04-02", "days_supply": 11})
    bench.clock.forward(days=60)  # 12 June: 101 days from 4 March on
    report = f"/patients/{course.patient_id}/medications/adherence"
    days = {"from": "2031-03-01", "to": "2031-06-12"}

    async def pdc() -> tuple[Any, ...]:
        found = (await course.read(report, **days))["overall"]["pdc"]
        return found["value"], found["numerator"], found["denominator"]

    # 30 days, then 11 from 3 April to 13 April, then 60 from 14 April to 12 June: all of 101.
    assert await pdc() == (100.0, 101, 101)
    response = await clinic.delete(f"{path}/{wrong['id']}")
    assert response.status_code == 200, response.text
    # 4 March to 2 April and 13 April to 11 June.
    assert await pdc() == (89.1, 90, 101)


async def test_old_fills_written_down_and_a_hold_lifted_alarm_nobody(bench: Bench) -> None:
    course = await prescribed(bench)
    clinic = bench.clinic
    await course.go("t")
    fills = f"/medications/{course.id}/fills"
    await clinic.make(fills, {"filled_on": "2030-10-01", "days_supply": 30, "kind": "first_fill"})
    await clinic.make(fills, {"filled_on": "2031-03-04", "days_supply": 10})
    await clinic.post(f"/medications/{course.id}/hold", {"hold_until": None})
    bench.clock.forward(days=60)
    resumed = await clinic.post(f"/medications/{course.id}/resume")
    assert resumed.status_code == 200, resumed.text
    needed = await clinic.make(
        f"/patients/{course.patient_id}/medications",
        {**course.body, "generic_name": "albuterol", "start_date": "2031-05-04",
         "sig": "2 puffs by inhalation every 6 hours as needed"},
    )  # fmt: skip
    old = {"filled_on": "2030-10-01", "days_supply": 30, "kind": "first_fill"}
    await clinic.make(f"/medications/{needed['id']}/fills", old)
    assert [one for one in await events(clinic) if "adherence" in one] == []
    assert await course.tasks() == []
    assert await course.told() == []


@pytest.mark.parametrize(
    "change", [{"treatment_status": "deceased"}, {"treatment_status": "inactive"}]
)
async def test_an_episode_ends_with_the_treatment(bench: Bench, change: dict[str, str]) -> None:
    course = await prescribed(bench)
    clinic = bench.clinic
    await course.go("mmm")
    assert await course.tasks() == [("missed_doses", "requested")]
    patient = await course.read(f"/patients/{course.patient_id}")
    kept = {key: patient[key] for key in clinic.patient_body() if key in patient}
    response = await clinic.put(f"/patients/{course.patient_id}", {**kept, **change})
    assert response.status_code == 200, response.text
    await rounds.run(clinic.tenant_id)  # gives the doses to come up
    bench.clock.forward(days=1)
    await inferring.run(clinic.tenant_id)
    assert await course.tasks() == []
    assert [one for one in await events(clinic) if "adherence" in one] == [LOW]


async def test_who_was_removed_has_no_rate(bench: Bench) -> None:
    course = await prescribed(bench)
    assert await course.rate() == (None, 0, 0)  # and is cached
    response = await bench.clinic.delete(f"/patients/{course.patient_id}")
    assert response.status_code == 200, response.text
    await lifecycle.sweep(bench.clinic.tenant_id)
    gone = await bench.clinic.get(f"/medications/{course.id}/adherence/rate")
    assert gone.status_code == 404, gone.text


async def test_two_strengths_of_a_drug_follow_each_other(bench: Bench) -> None:
    course = await prescribed(bench)
    clinic = bench.clinic
    path = f"/patients/{course.patient_id}/medications"
    ids = []
    for code in ("860975", "861004"):
        body = {**course.body, "rxnorm_code": code, "drug_class": "antidiabetic",
                "override": {"reason": "Two strengths"}}  # fmt: skip
        ids.append((await clinic.make(path, body))["id"])
    for id_, kind in zip(ids, ("first_fill", "first_fill"), strict=True):
        day = {"filled_on": "2031-03-04", "days_supply": 60, "kind": kind}
        await clinic.make(f"/medications/{id_}/fills", day)
    bench.clock.forward(days=1)
    await clinic.make(
        f"/medications/{ids[0]}/fills", {"filled_on": "2031-03-05", "days_supply": 10}
    )
    bench.clock.forward(days=150)
    found = await course.read(
        f"/patients/{course.patient_id}/medications/adherence",
        **{"from": "2031-03-01", "to": "2031-07-31"},
    )
    # 60, 60 and 10 days, one after the other, of the 150 from 4 March to 31 July.
    [of_class] = found["classes"]
    assert (of_class["pdc"]["numerator"], of_class["pdc"]["denominator"]) == (130, 150)
