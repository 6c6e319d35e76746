"""A provider with two hours on one day, for tests about times."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.client import Clinic

DAY = (datetime.now(UTC) + timedelta(days=20)).date()
HOURS = {"day_of_week": 0, "start_time": "09:00", "end_time": "11:00", "slot_duration": 30,
         "effective_from": "2020-01-01"}  # fmt: skip


def on(hour: int, minute: int = 0) -> str:
    return f"{DAY}T{hour:02}:{minute:02}:00-05:00"


async def doctor_of(clinic: Clinic) -> dict[str, Any]:
    """A provider in Bogota, who works from 9 to 11 on DAY's day of the week."""
    place = await clinic.facility(timezone="America/Bogota")
    made = await clinic.provider(
        always=False, facilities=[{"facility_id": place["id"], "is_primary": True}]
    )
    rule = {**HOURS, "day_of_week": DAY.isoweekday() % 7, "facility_id": place["id"]}
    path = f"/providers/{made['id']}/availability"
    answer = await clinic.put(path, {"rules": [rule]})
    assert answer.status_code == 200, answer.text
    return {**made, "place": place["id"]}
