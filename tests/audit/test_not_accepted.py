"""A genuine key that is not accepted leaves one row a minute, and the answer of any other."""

from datetime import timedelta
from uuid import uuid4

import pytest

from chroniccare.platform.postgres import Command, begin
from chroniccare.tenancy import actions
from chroniccare.tenancy.rules import parse_key
from tests.client import Clinic
from tests.conftest import PEPPER

REFUSED = Command(
    "SELECT to_jsonb(a) FROM audit_logs a WHERE metadata->>'outcome' = 'refused'"
    " AND entity_type = $1 ORDER BY created_at"
)
SCOPES = frozenset({"patients:read"})


async def key_of(clinic: Clinic, case: str) -> str:
    async with begin(clinic.caller) as tx:
        key = await actions.create_key(
            tx, pepper=PEPPER, name=case, scopes=SCOPES,
            expires_at=tx.now + timedelta(microseconds=1) if case == "expired" else None,
            networks=["203.0.113.0/24"] if case == "from elsewhere" else [],
        )  # fmt: skip
    if case == "revoked":
        parts = parse_key(key)
        assert parts is not None
        async with begin(clinic.caller) as tx:
            await actions.revoke_key(tx, key_id=parts.key_id)
    return key


@pytest.mark.parametrize("case", ["revoked", "expired", "from elsewhere"])
async def test_who_has_a_genuine_key_that_is_not_accepted_is_in_the_audit(
    clinic: Clinic, case: str
) -> None:
    key, patient = await key_of(clinic, case), uuid4()
    answers = [
        await clinic.http.get(f"/api/v1/patients/{patient}", headers={"X-API-Key": key})
        for _ in range(3)
    ]
    unknown = await clinic.http.get("/api/v1/patients", headers={"X-API-Key": key[:-1]})
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["error"]["message"] for answer in [*answers, unknown]} == {
        unknown.json()["error"]["message"]
    }
    async with begin(clinic.caller) as tx:
        rows = await tx.values(REFUSED, "patient")
    (row,) = rows  # of the three
    assert (row["entity_id"], row["action"]) == (str(patient), "read")
    assert row["user_type"] == "api_key"
    assert row["ip_address"] is not None


async def test_nothing_is_written_for_a_clinic_that_is_closed(clinic: Clinic) -> None:
    key = await key_of(clinic, "of a closed clinic")
    close = Command("UPDATE tenants SET is_active = false WHERE id = $1")
    async with begin(clinic.caller) as tx:
        await tx.run(close, clinic.tenant_id)
    answer = await clinic.http.get("/api/v1/patients", headers={"X-API-Key": key})
    assert answer.status_code == 401
    async with begin(clinic.caller) as tx:
        assert await tx.values(REFUSED, "credentials") == []
