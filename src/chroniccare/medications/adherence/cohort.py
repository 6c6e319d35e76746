"""Who takes too little of what was prescribed: the open episodes of low adherence."""

from typing import Any
from uuid import UUID

from chroniccare.core import paging
from chroniccare.medications.adherence import queries_cohort as queries
from chroniccare.medications.adherence import rules
from chroniccare.platform.postgres import Tx

_LISTING = "low adherence"


async def low(
    tx: Tx, sort: str, *, order: str = "asc", cursor: str | None, limit: int
) -> paging.Page[dict[str, Any]]:
    """Return one page of who is below a threshold now, by `sort`, `asc` or `desc`."""
    filters = [sort, order]
    after = paging.decode(cursor, _LISTING, filters, [str, UUID]) or [None, None]
    await tx.plan_afresh()
    query = queries.LOW_DESCENDING if order == "desc" else queries.LOW
    rows = await tx.all(
        query, tx.now, tx.now - rules.WINDOW, sort, *after, limit + 1,
        *rules.thresholds_by_class(),
    )  # fmt: skip
    found = paging.page(
        rows, limit, listing=_LISTING, filters=filters, key=lambda row: [row.key, row.id]
    )
    return paging.Page([_shown(row) for row in found.items], found.next_cursor)


def _shown(row: queries.Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "patient_id": row.patient_id,
        "mrn": row.mrn,
        "first_name": row.first_name,
        "last_name": row.last_name,
        "medication_id": row.medication_id,
        "medication_name": row.medication_name,
        "reason": row.reason,
        "escalated": row.escalated,
        "since": row.opened_at,
        "threshold": rules.thresholds(row.adherence_threshold, row.drug_class).low,
        "taken": row.taken,
        "observed": row.observed,
        "percent": round(100 * row.taken / row.observed, 1) if row.observed else None,
    }
