"""Reads a patient's readings."""

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from chroniccare.core import paging
from chroniccare.core.errors import NotFound
from chroniccare.fhir.readings import queries
from chroniccare.fhir.readings.rules import CODES, Kind, reading
from chroniccare.platform.postgres import Tx

_LISTING = "readings"


async def listed(
    tx: Tx, patient_id: UUID, *, kind: Kind | None, start: datetime | None, end: datetime | None,
    cursor: str | None, limit: int,
) -> paging.Page[dict[str, Any]]:  # fmt: skip
    """Return one page, the latest first; a page may have less than `limit`, see `rules.reading`.

    Raises:
        NotFound: no such patient.
    """
    filters = [patient_id, kind, start, end]
    after = paging.decode(cursor, _LISTING, filters, [datetime.fromisoformat, UUID])
    if not await tx.value(queries.EXISTS, patient_id):
        raise NotFound("No such patient.")
    codes = list(CODES[kind]) if kind else [code for all_ in CODES.values() for code in all_]
    await tx.plan_afresh()
    rows = await tx.all(
        queries.LIST, patient_id, codes, start, end, *(after or [None, None]), limit + 1
    )
    found = paging.page(
        rows, limit, listing=_LISTING, filters=filters, key=lambda row: [row.happened_at, row.id]
    )
    return paging.Page([one for row in found.items if (one := _shown(row))], found.next_cursor)


def _shown(row: queries.Row) -> dict[str, Any] | None:
    found = reading(orjson.loads(row.resource))
    if found is None:
        return None
    return {
        "id": row.id,
        "kind": found.kind,
        "taken_at": row.happened_at,
        "value": found.value,
        "diastolic": found.diastolic,
        "unit": found.unit,
    }
