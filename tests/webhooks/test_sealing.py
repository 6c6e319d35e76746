"""Secrets of endpoints are sealed in the table, and each opens at its own place only."""

from uuid import UUID

import pytest

from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import begin
from chroniccare.platform.sealing import MARK, Unreadable
from chroniccare.webhooks import sealing
from tests.client import Clinic
from tests.webhooks.test_api import body


async def test_secrets_are_sealed_and_cannot_change_places(
    clinic: Clinic, database_url: str
) -> None:
    made = await clinic.make("/webhooks", body())
    assert made["secret"].startswith("whsec_")
    async with owner_connection(database_url) as owner:
        stored = await owner.fetchval(
            "SELECT secret FROM webhook_endpoints WHERE id = $1", made["id"]
        )
    assert stored.startswith(MARK)
    assert made["secret"][6:] not in stored
    async with begin(clinic.caller) as tx:
        own = UUID(made["id"])
        secret = await sealing.unseal(tx, stored, endpoint_id=own, column="secret")
        assert secret == made["secret"]
        with pytest.raises(Unreadable):
            await sealing.unseal(tx, stored, endpoint_id=own, column="previous_secret")
        with pytest.raises(Unreadable):
            await sealing.unseal(tx, stored, endpoint_id=clinic.tenant_id, column="secret")
