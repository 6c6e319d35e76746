"""Recalls: opened, changed, listed, claimed by one person at a time, called, closed."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.audit.reads import note_read
from chroniccare.core import paging
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling.recall import queries, rules
from chroniccare.scheduling.recall.schemas import CallWrite, Claim, RecallWrite
from chroniccare.webhooks.actions import emit

_CALLS_SHOWN = 100
ENTITY = "recall"


class RecallOpen(Conflict):
    """The patient is on the list for this kind of visit already; `data` holds the recall's id."""

    code = "RECALL_OPEN"
    message = "The patient has an open recall for this kind of visit."

    def __init__(self, recall_id: UUID) -> None:
        super().__init__(
            details=[FieldError("appointment_type", "is on the list already", "open")],
            data={"recall_id": recall_id},
        )


class RecallClosed(Conflict):
    """The recall is closed: the patient has come, or nobody shall call again."""

    code = "RECALL_CLOSED"
    message = "The recall is closed."


class RecallClaimed(Conflict):
    """Somebody else is calling this patient; who it is, is nobody else's business."""

    code = "RECALL_CLAIMED"
    message = "Somebody else is calling this patient."


class NotHeld(Conflict):
    """The caller has not claimed the recall, or the claim has run out."""

    code = "RECALL_NOT_HELD"
    message = "Claim the recall first; a claim lasts 15 minutes."


async def open_recall(tx: Tx, body: RecallWrite) -> queries.Recall:
    """Put a patient on the list and emit `recall.opened`.

    Raises:
        Unprocessable: patient, provider, facility or day cannot be used; the fields are named.
        RecallOpen: the patient is on the list for this kind of visit.
    """
    document = await _document(tx, new_id(), body)
    made = await tx.one(queries.INSERT, [document], tx.caller.tenant_id, tx.now)
    if made is None:
        await _check_only(tx, body, None)
        raise Conflict("The patient's recall was closed at this moment; try again.")
    await _tell(tx, "create", before=None, after=made)
    await emit(
        tx, "recall.opened", entity_type=ENTITY, entity_id=made.id,
        payload={"version": made.version},
    )  # fmt: skip
    return made


async def change(tx: Tx, recall: queries.Recall, body: RecallWrite) -> queries.Recall:
    """Replace `recall`, which this transaction has locked; who has claimed it keeps it.

    Raises:
        RecallClosed: it is closed.
        Unprocessable: as for `open_recall`; a recall stays with its patient.
        RecallOpen: the patient is on the list for the new kind of visit.
    """
    if recall.status != "open":
        raise RecallClosed
    if body.patient_id != recall.patient_id:
        raise Unprocessable.field("patient_id", "a recall stays with its patient", "fixed")
    document = await _document(tx, recall.id, body)
    await _check_only(tx, body, recall.id)
    changed = await tx.one(queries.UPDATE, document, tx.now)
    after = _found(changed)
    await _tell(tx, "update", before=recall, after=after)
    return after


async def claim(tx: Tx, body: Claim) -> dict[str, Any] | None:
    """Claim the next recall of the worklist, or the one named, and return its card.

    Nobody waits and nobody is handed a recall twice: what another worker is claiming at this moment
    is passed over.

    Raises:
        Unprocessable: no such recall.
        RecallClosed, RecallClaimed: the one named cannot be claimed.
    """
    until, key = tx.now + rules.LEASE, tx.caller.actor_id
    if body.recall_id is not None:
        await _check_free(tx, body.recall_id, body.worker)
        claimed = await tx.one(queries.CLAIM, body.recall_id, tx.now, body.worker, key, until)
    else:
        await tx.plan_afresh()
        claimed = await tx.one(
            queries.CLAIM_NEXT, *_days(tx.now), None, body.facility_id, body.provider_id,
            body.high_risk, body.has_phone, body.overdue_at_least, body.overdue_at_most, tx.now,
            None, None, body.worker, key, until,
        )  # fmt: skip
    if claimed is None:
        return None
    after = {"claimed_by": body.worker, "claimed_until": until, "version": claimed.version}
    await record(tx, action="claim", entity_type=ENTITY, entity_id=claimed.id, after=after)
    await record(tx, action="read_recall", entity_type="patient", entity_id=claimed.patient_id)
    [card] = await _cards(tx, [claimed], calls=1)
    return card


async def release(tx: Tx, recall: queries.Recall, *, worker: str) -> queries.Recall:
    """Give back the claim of `recall`, which this transaction has locked.

    Raises:
        RecallClaimed, NotHeld: `worker` does not hold it.
    """
    await _check_held(tx, recall, worker)
    changed = await tx.one(queries.UNCLAIM, recall.id, tx.now)
    after = _found(changed)
    await _tell(tx, "release", before=recall, after=after)
    return after


async def note_call(tx: Tx, recall: queries.Recall, body: CallWrite) -> queries.Recall:
    """Write what came of a call for `recall`, which this transaction has locked.

    The recall is listed again on a later day, or closed when nobody shall call again. The patient's
    record stays as it is: what somebody said on the phone is for a clinician to confirm.

    Raises:
        RecallClosed, RecallClaimed, NotHeld: the caller does not hold the recall.
        Unprocessable: a reason or a day is missing, or goes with another outcome.
    """
    await _check_held(tx, recall, body.worker)
    today = rules.today(tx.now, recall.time_zone)
    if faults := _call_faults(body, today):
        raise Unprocessable(details=faults)
    unanswered = 1 + int(await tx.value(queries.UNANSWERED, recall.id))
    again = rules.call_again_on(
        body.outcome, today=today, unanswered=unanswered, wanted=body.remind_on
    )
    await tx.run(
        queries.INSERT_CALL, new_id(), tx.caller.tenant_id, recall.id, body.worker, body.outcome,
        body.removed_reason, again, body.note, tx.now,
    )  # fmt: skip
    if body.removed_reason is None:
        changed = await tx.one(queries.RELIST, recall.id, tx.now, again)
    else:
        changed = await tx.one(queries.REMOVE, recall.id, tx.now, body.removed_reason)
    after = _found(changed)
    await _tell(tx, "call", before=recall, after=after, called_by=body.worker, note=body.note)
    if after.status == "closed":
        await emit(
            tx, "recall.closed", entity_type=ENTITY, entity_id=after.id,
            payload={"version": after.version},
        )  # fmt: skip
    return after


async def get_locked(tx: Tx, recall_id: UUID) -> queries.Recall:
    """Return one recall and lock its row.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    recall = await tx.one(queries.GET_FOR_UPDATE, recall_id)
    return _found(recall)


async def shown(caller: Caller, recall_id: UUID) -> dict[str, Any]:
    """Return one recall as a card with its calls; the read is audited first.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    async with begin(caller) as tx:
        found = await tx.one(queries.GET, recall_id)
        recall = _found(found)
        [card] = await _cards(tx, [recall], calls=_CALLS_SHOWN)
    await note_read(caller, entity_type="patient", seen=[recall.patient_id], action="read_recall")
    return card


async def listed(
    caller: Caller,
    *,
    status: str | None,
    worker: str | None,
    filters: list[Any],
    cursor: str | None,
    limit: int,
) -> paging.Page[dict[str, Any]]:
    """Return one page of cards, high risk first, then the longest overdue; reads are audited.

    Without `status` it is the worklist: who is to be called now, those claimed by `worker`
    through the same key included. `filters` are patient, facility, provider, high risk, phone, and
    the least and most days overdue, each or None.
    """
    what = [status, worker, *filters]
    after = paging.decode(cursor, "recalls", what, [_rank, date.fromisoformat, UUID])
    start = after or [None, None, None]
    async with begin(caller) as tx:
        await tx.plan_afresh()
        if status is None:
            mine = (worker, caller.actor_id if worker else None)
            places = await tx.all(
                queries.DUE, *_days(tx.now), *filters, tx.now, *mine, *start, limit + 1
            )
        else:
            places = await tx.all(
                queries.BY_STATUS, *_days(tx.now), *filters, status, *start, limit + 1
            )
        page = paging.page(
            places, limit, listing="recalls", filters=what,
            key=lambda row: [row.rank, row.due_on, row.id],
        )  # fmt: skip
        rows = await tx.all(queries.GET_MANY, [place.id for place in page.items])
        cards = await _cards(tx, rows, calls=1)
    seen = [row.patient_id for row in rows]
    await note_read(caller, entity_type="patient", seen=seen, action="list_recalls")
    return paging.Page(cards, page.next_cursor)


def _rank(part: Any) -> int:
    """Return a rank from a cursor; ValueError for a number that no column can hold."""
    if part not in {0, 1}:
        raise ValueError("rank")
    return int(part)


def _days(now: datetime) -> tuple[date, list[str], list[str]]:
    days = rules.local_days(now)
    return days.day, days.behind, days.ahead


async def _cards(tx: Tx, recalls: list[queries.Recall], *, calls: int) -> list[dict[str, Any]]:
    """Return the cards of `recalls` in their order; with more than one call, the calls too."""
    found = await tx.all(queries.CARDS, [recall.id for recall in recalls], calls)
    by_id = {card.id: card for card in found}
    return [_card(recall, by_id[recall.id], tx.now, with_calls=calls > 1) for recall in recalls]


def _card(
    recall: queries.Recall, card: queries.Card, now: datetime, *, with_calls: bool
) -> dict[str, Any]:
    today = rules.today(now, recall.time_zone)
    made = {
        **asdict(recall),
        "days_overdue": (today - recall.due_on).days if recall.status == "open" else None,
        "patient": {
            "id": recall.patient_id,
            "first_name": card.first_name,
            "last_name": card.last_name,
            "age": rules.age(card.date_of_birth, today=today),
            "language": card.language,
            "phone": card.phone["value"] if card.phone else None,
        },
        "last_visit": card.last_visit,
        "last_call": card.calls[0] if card.calls else None,
    }
    return {**made, "calls": card.calls} if with_calls else made


async def _document(tx: Tx, recall_id: UUID, body: RecallWrite) -> dict[str, Any]:
    """Return `body` as a row, its days in the facility's zone, else in the patient's."""
    parties = await tx.one(queries.PARTIES, body.patient_id, body.provider_id, body.facility_id)
    if parties is None:
        raise NotFound
    faults = []
    if not parties.patient_is_due:
        unknown = parties.patient_is_due is None
        faults.append(
            FieldError("patient_id", "no such patient", "unknown")
            if unknown
            else FieldError("patient_id", "is not active", "inactive")
        )
    if body.provider_id is not None and not parties.provider_exists:
        faults.append(FieldError("provider_id", "no such provider", "unknown"))
    if body.facility_id is not None and parties.facility_zone is None:
        faults.append(FieldError("facility_id", "no such facility", "unknown"))
    today = tx.now.date()
    if not today - rules.EARLIEST_DUE <= body.due_on <= today + rules.LATEST_DUE:
        faults.append(
            FieldError("due_on", "must be at most ten years ago or five years ahead", "range")
        )
    if body.remind_on is not None and body.remind_on > today + rules.LATEST_DUE:
        faults.append(FieldError("remind_on", "must be at most five years ahead", "range"))
    zone = parties.facility_zone or parties.patient_zone
    if faults or zone is None:
        raise Unprocessable(details=faults)
    return {
        **body.model_dump(),
        "id": recall_id,
        "time_zone": zone,
        "due_at": rules.begin_of(body.due_on, zone),
        "source": "staff",
    }


async def _check_only(tx: Tx, body: RecallWrite, recall_id: UUID | None) -> None:
    other = await tx.value(queries.OTHER_OPEN, body.patient_id, body.appointment_type, recall_id)
    if other is not None:
        raise RecallOpen(other)


async def _check_free(tx: Tx, recall_id: UUID, worker: str) -> None:
    """Lock a recall and check that `worker` may claim it, or renew a claim."""
    recall = await tx.one(queries.GET_FOR_UPDATE, recall_id)
    if recall is None:
        raise Unprocessable.field("recall_id", "no such recall", "unknown")
    if recall.status != "open":
        raise RecallClosed
    if _is_claimed(tx, recall) and not await _is_mine(tx, recall, worker):
        raise RecallClaimed


async def _check_held(tx: Tx, recall: queries.Recall, worker: str) -> None:
    if recall.status != "open":
        raise RecallClosed
    if not _is_claimed(tx, recall):
        raise NotHeld
    if not await _is_mine(tx, recall, worker):
        raise RecallClaimed


def _is_claimed(tx: Tx, recall: queries.Recall) -> bool:
    return recall.claimed_until is not None and recall.claimed_until > tx.now


async def _is_mine(tx: Tx, recall: queries.Recall, worker: str) -> bool:
    holder = await tx.one(queries.HOLDER, recall.id)
    return holder is not None and (holder.claimed_by, holder.claimed_key) == (
        worker,
        tx.caller.actor_id,
    )


def _call_faults(body: CallWrite, today: date) -> list[FieldError]:
    faults = []
    if body.outcome == "removed" and body.removed_reason is None:
        faults.append(FieldError("removed_reason", "say why nobody shall call again", "missing"))
    if body.outcome != "removed" and body.removed_reason is not None:
        faults.append(FieldError("removed_reason", "goes with removed only", "outcome"))
    if body.remind_on is not None:
        if body.outcome != "remind_to_call_later":
            faults.append(FieldError("remind_on", "goes with remind_to_call_later only", "outcome"))
        elif not 0 < (body.remind_on - today).days <= rules.LISTED_DAYS:
            faults.append(FieldError("remind_on", "must be 1 to 365 days ahead", "range"))
    return faults


def _found(recall: queries.Recall | None) -> queries.Recall:
    if recall is None:
        raise NotFound("No such recall.")
    return recall


async def _tell(
    tx: Tx,
    action: str,
    *,
    before: queries.Recall | None,
    after: queries.Recall,
    **more: str | None,
) -> None:
    """Audit a change; `more` is what happened besides."""
    await record(
        tx, action=action, entity_type=ENTITY, entity_id=after.id,
        before=None if before is None else asdict(before), after={**asdict(after), **more},
    )  # fmt: skip
