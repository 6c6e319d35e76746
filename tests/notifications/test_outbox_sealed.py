"""What the local channel kept in clear, in a release before, is sealed by the worker."""

from chroniccare.platform import sealing
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, begin
from chroniccare.tenancy import resealing
from chroniccare.worker import SEALED
from tests.client import kept_messages
from tests.notifications.support import Bench

STORED = Command(
    "SELECT jsonb_build_array(recipient, subject, body, calendar) FROM outbox_messages ORDER BY id"
)
IN_CLEAR = (
    "UPDATE outbox_messages SET recipient = '+17745550199', subject = 'Your visit', body = $2,"
    " calendar = CASE WHEN calendar IS NULL THEN NULL ELSE 'BEGIN:VCALENDAR' END WHERE id = $1"
)
NOT_SWEPT = "UPDATE tenant_keys SET swept_at = NULL, swept_columns = 0 WHERE tenant_id = $1"


async def test_what_was_kept_in_clear_is_sealed_and_reads_as_before(
    bench: Bench, database_url: str
) -> None:
    await bench.planned()
    await bench.drain()
    (made,) = await kept_messages(bench.clinic)
    async with owner_connection(database_url) as owner:
        await owner.execute(IN_CLEAR, made.id, made.body)
        await owner.execute(NOT_SWEPT, bench.clinic.tenant_id)
    await resealing.run(bench.clinic.tenant_id, SEALED)
    async with begin(bench.clinic.caller) as tx:
        (stored,) = await tx.values(STORED)
    assert all(value.startswith(sealing.MARK) for value in stored if value is not None)
    assert len([value for value in stored if value is not None]) >= 3
    (read,) = await kept_messages(bench.clinic)
    assert (read.body, read.subject) == (made.body, "Your visit")
    # What is sealed already stays as it is, byte for byte.
    async with owner_connection(database_url) as owner:
        await owner.execute(NOT_SWEPT, bench.clinic.tenant_id)
    await resealing.run(bench.clinic.tenant_id, SEALED)
    async with begin(bench.clinic.caller) as tx:
        assert await tx.values(STORED) == [stored]
