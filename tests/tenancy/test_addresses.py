"""Sealed addresses are found by an index, also behind row-level security."""

from datetime import timedelta
from typing import Any

import pytest

from chroniccare.notifications import queries_due
from chroniccare.notifications.inbound import queries as inbound
from chroniccare.notifications.preferences import queries as preferences
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.addresses import either
from tests.client import Clinic

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("statement", "more"),
    [
        (inbound.PEOPLE, ()), (inbound.LAST_WRITTEN, ()), (inbound.WRITTEN, (HOUR,)),
        (inbound.QUESTION, (HOUR,)), (inbound.ANSWERED, (HOUR, "asked")),
        (queries_due.SUPPRESSED, ()), (preferences.OPT_OUTS, ()), (preferences.LOCK_PATIENTS, ()),
        (preferences.LOCK_RELATED, ()),
    ],
)  # fmt: skip
async def test_an_address_is_looked_up_and_not_searched_for(
    clinic: Clinic, statement: Any, more: tuple[Any, ...]
) -> None:
    async with begin(clinic.caller) as tx:
        found_by = either(await tx.keyring(), ["+14155550123", "maria@example.com"])
        assert len(set(found_by)) == 4
        arguments = [tx.now - one if one is HOUR else one for one in more]
        await tx.connection.execute("SET LOCAL enable_seqscan = off")
        plan = await tx.connection.fetch("EXPLAIN " + statement.sql, found_by, *arguments)
    used = [line for (line,) in map(tuple, plan) if "Index Cond" in line and "CASE" in line]
    assert used, "\n".join(map(str, plan))
