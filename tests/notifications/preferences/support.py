"""What the tests of preferences share."""

from typing import Any
from uuid import UUID

from tests.client import Clinic
from tests.notifications.support import Bench

NOTHING: dict[str, Any] = {"channels": [], "consents": {}, "categories": []}
ALL = ("appointments", "waitlist", "medications", "refills", "adherence", "recalls")


def telecom(*points: tuple[str, str]) -> dict[str, Any]:
    """Return contact points, the first to be tried first."""
    return {
        "telecom": [
            {"system": system, "value": value, "rank": rank}
            for rank, (system, value) in enumerate(points, 1)
        ]
    }


def caregiver(**fields: Any) -> dict[str, Any]:
    """Return a daughter with a phone, who has said yes to SMS."""
    return {
        "name": "Lucia Gonzalez",
        "relationship": "daughter",
        "contact_info": telecom(("phone", "+14155550999")),
        "consents": {"sms": True},
        "categories": ["appointments"],
        **fields,
    }


async def preferences(clinic: Clinic, patient_id: UUID | str) -> dict[str, Any]:
    response = await clinic.get(f"/patients/{patient_id}/notification-preferences")
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    assert response.headers["etag"] == f'"{data["version"]}"'
    return data


async def prefer(clinic: Clinic, patient_id: UUID | str, **fields: Any) -> dict[str, Any]:
    body = {**NOTHING, **fields}
    response = await clinic.put(f"/patients/{patient_id}/notification-preferences", body)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def related(clinic: Clinic, patient_id: UUID | str, **fields: Any) -> dict[str, Any]:
    return await clinic.make(f"/patients/{patient_id}/related-persons", caregiver(**fields))


def verdicts(found: dict[str, Any], category: str = "appointments") -> dict[str, str | None]:
    """Return why each channel is not allowed for a category; None: it is."""
    [one] = [entry for entry in found["categories"] if entry["category"] == category]
    return {entry["channel"]: entry["reason"] for entry in one["by_channel"]}


async def bar(bench: Bench, channel: str, address: str, reason: str = "opted_out") -> None:
    """Put an address on the opt-out list behind the API's back."""
    await bench.sql(
        "INSERT INTO suppressions (id, tenant_id, channel, value, reason, created_at)"
        " VALUES (gen_random_uuid(), $1, $2, $3, $4, now())",
        bench.clinic.tenant_id, channel, address, reason,
    )  # fmt: skip


async def sent(bench: Bench) -> list[tuple[str, str]]:
    """Return channel and recipient of what was sent, sorted."""
    return sorted((kept.channel, kept.recipient) for kept in await bench.outbox())
