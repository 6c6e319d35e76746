"""What the tests of recalls share: a recall due on a day, a claim, a call."""

from datetime import timedelta
from typing import Any

import httpx

from tests.client import Clinic
from tests.notifications.support import NOON

TODAY = NOON.date()


def day(number: int) -> str:
    """Return the day `number` days after the tests' first."""
    return (TODAY + timedelta(days=number)).isoformat()


async def recall_body(clinic: Clinic, *, due: int = -9, **fields: Any) -> dict[str, Any]:
    """Return a recall for a new patient unless told which, due in `due` days."""
    if "patient_id" not in fields:
        fields["patient_id"] = (await clinic.patient())["id"]
    return {"appointment_type": "follow_up", "due_on": day(due), **fields}


async def recalled(clinic: Clinic, *, due: int = -9, **fields: Any) -> dict[str, Any]:
    return await clinic.make("/recalls", await recall_body(clinic, due=due, **fields))


async def claim(clinic: Clinic, worker: str = "Ada", **fields: Any) -> dict[str, Any] | None:
    """Claim the next recall, or the one named."""
    answer = await clinic.post("/recalls/claim", {"worker": worker, **fields})
    assert answer.status_code == 200, answer.text
    card: dict[str, Any] | None = answer.json()["data"]
    return card


async def call(
    clinic: Clinic, recall: dict[str, Any], outcome: str, worker: str = "Ada", **fields: Any
) -> httpx.Response:
    """Claim a recall and note a call."""
    await claim(clinic, worker, recall_id=recall["id"])
    body = {"worker": worker, "outcome": outcome, **fields}
    return await clinic.post(f"/recalls/{recall['id']}/calls", body)


async def listed(clinic: Clinic, **params: Any) -> list[str]:
    """Return the ids on the worklist, or in another list, in its order."""
    answer = await clinic.get("/recalls", params=params)
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["data"]["items"]]


async def read(clinic: Clinic, recall: dict[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = (await clinic.get(f"/recalls/{recall['id']}")).json()["data"]
    return data


def code(answer: httpx.Response) -> tuple[int, str, list[str]]:
    """Return status, code and the fields named."""
    error = answer.json()["error"]
    return answer.status_code, error["code"], [detail["field"] for detail in error["details"]]
