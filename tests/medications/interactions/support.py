"""What the tests of interactions share: patients who take something, and what a check says."""

from typing import Any
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic

_TAKE = Command(
    "INSERT INTO medications (id, tenant_id, patient_id, prescribing_provider_id, medication_name,"
    " generic_name, rxnorm_code, dosage, route, frequency, start_date, end_date, is_ongoing,"
    " status, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, '1 tablet', 'oral',"
    " 'daily', '2026-01-01', $8::text::date, $8 IS NULL, $9, now(), now())"
)


async def take(
    clinic: Clinic, patient: dict[str, Any], *names: str, rxcui: str | None = None,
    generic: bool = True, status: str = "active", until: str | None = None,
) -> list[str]:  # fmt: skip
    """Have a patient take drugs, by their generic names or by an RXCUI; return the ids."""
    ids = []
    provider = UUID((await clinic.provider(always=False))["id"])
    async with begin(clinic.caller) as tx:
        for name in names:
            ids.append(str(new_id()))
            await tx.run(
                _TAKE, UUID(ids[-1]), clinic.tenant_id, UUID(patient["id"]), provider, name,
                name if generic else None, rxcui, until, status,
            )  # fmt: skip
    return ids


async def check(
    clinic: Clinic, patient: dict[str, Any], name: str, **fields: Any
) -> dict[str, Any]:
    """Check a drug, by its generic name unless told otherwise."""
    body = {"name": name, "generic_name": name, **fields}
    response = await clinic.post(f"/patients/{patient['id']}/medications/check", body)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


def pairs(result: dict[str, Any]) -> list[str]:
    """Return the ids of the pairs that were found."""
    return [one["pair"] for one in result["findings"] if one["kind"] == "interaction"]
