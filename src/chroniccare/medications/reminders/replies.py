"""What patients and those who care for them reply to reminders of doses: taken, or skipped.

A reply is read below this slice (`notifications.inbound`), which cannot reach doses; it leaves a
row that says what is wanted, and this loop does it.
"""

import logging
from uuid import UUID

from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, Problem, Unavailable
from chroniccare.medications.adherence.settling import settle
from chroniccare.medications.adherence.words import Status
from chroniccare.medications.queries import LOCK_PATIENTS
from chroniccare.medications.reminders import queries, rules_replies
from chroniccare.notifications.inbound import answers, staff
from chroniccare.notifications.inbound import queries as inbound
from chroniccare.notifications.inbound.receiving import DOSE_ACTIONS as LOOP
from chroniccare.platform.postgres import Tx, begin

__all__ = ["LOOP", "sweep"]

log = logging.getLogger(__name__)

_BATCH = 100


async def sweep(tenant_id: UUID) -> int:
    """Do what a tenant's replies say, in the order they came; return how many there were."""
    async with begin(_system(tenant_id)) as tx:
        waiting = await tx.all(inbound.DOSE_ACTIONS, _BATCH)
    for one in waiting:
        await _do(tenant_id, one)
    return len(waiting)


def _system(tenant_id: UUID) -> Caller:
    return Caller(tenant_id, None, "system", request_id="dose-replies")


async def _do(tenant_id: UUID, wanted: inbound.DoseAction) -> None:
    """Do one thing; what cannot be done is refused with the reason as a code, and left to staff."""
    source = "patient" if wanted.related_person_id is None else "caregiver"
    who = Caller(
        tenant_id, wanted.related_person_id or wanted.patient_id, source,
        request_id=f"reply:{wanted.id}",
    )  # fmt: skip
    code: str | None = None
    try:
        async with begin(who) as tx:
            if await tx.one(inbound.LOCK_DOSE_ACTION, wanted.id) is not None:
                await _act(tx, wanted)
    except Problem as error:
        if isinstance(error, Unavailable) or type(error) is Conflict:
            # The database, or somebody who changes the doses just now: again in a moment.
            log.warning("reply waits", extra={"kind": type(error).__name__})
        else:
            code = error.code
    except Exception as error:
        # One that our code cannot handle stands in no other's way; staff learn of it.
        log.exception("reply not followed", extra={"kind": type(error).__name__})
        code = "INTERNAL_ERROR"
    if code is not None:
        async with begin(_system(tenant_id)) as tx:
            if await tx.one(inbound.LOCK_DOSE_ACTION, wanted.id) is not None:
                await _refuse(tx, wanted, code)


async def _act(tx: Tx, wanted: inbound.DoseAction) -> None:
    # In the order of everybody who settles doses: the patient, medications, then doses.
    await tx.values(LOCK_PATIENTS, [wanted.patient_id])
    await tx.values(queries.LOCK_MEDICATIONS, wanted.bundle_id)
    told = await tx.all(queries.TOLD, wanted.bundle_id)
    status: Status = "taken" if wanted.action == "taken" else "skipped"
    meant = rules_replies.meant(told, status, at=wanted.received_at)
    if meant.refusal is not None:
        return await _refuse(tx, wanted, meant.refusal)
    if meant.dose_ids:
        await settle(
            tx, meant.dose_ids, status,
            source="patient" if wanted.related_person_id is None else "caregiver",
            taken_at=wanted.received_at if status == "taken" else None,
        )  # fmt: skip
    answered = meant.corrects and await answers.plan_answer(
        tx, "reply_doses_changed", reply_id=wanted.id, sender=wanted.sender,
        language=wanted.language, patient_id=wanted.patient_id,
    )  # fmt: skip
    await tx.run(inbound.SETTLE, wanted.id, "done", None, answered, tx.now)
    return None


async def _refuse(tx: Tx, wanted: inbound.DoseAction, code: str) -> None:
    """Leave it to staff: what the phone says and what is known of the doses differ."""
    await staff.look_at_reply(
        tx, "read_reply", reason=code.lower(), reply_id=wanted.id, sender=wanted.sender,
        patient_id=wanted.patient_id,
    )  # fmt: skip
    await tx.run(inbound.SETTLE, wanted.id, "refused", code, False, tx.now)
