"""The patient, or who cares for them, marks doses through the link in a reminder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chroniccare.audit.reads import note_read
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Conflict, NotFound
from chroniccare.core.time import to_local, zone
from chroniccare.medications.adherence.settling import settle
from chroniccare.medications.queries import LOCK_PATIENTS
from chroniccare.medications.reminders import queries, queries_links, rules_replies
from chroniccare.notifications import birth_date, dose_page
from chroniccare.notifications.birth_date import Door, Doorkeeper
from chroniccare.notifications.templates.rules import language_of
from chroniccare.platform.postgres import Tx, begin

PER_SECOND = 0.5
BURST = 30
"""Requests of one link."""
LASTS = timedelta(days=1)
"""From when its doses were due."""
ACTOR = "dose_link"
"""What the audit calls who marks doses; `user_id` is then the reminder's id."""
ENTITY = "medication"
_STEPS: tuple[dose_page.Step, ...] = ("taken", "skipped")


class NoDoses(NotFound):
    """Forged, about doses that are gone, or of a clinic that is not active any more."""

    message = "No such reminder."


class DosesGone(NoDoses):
    """The patient was erased or removed: nobody can say the date of birth any more."""

    status = 410


@dataclass(frozen=True, slots=True)
class Link:
    """A link that we gave out: who calls, which doses it is about, and when they were due."""

    caller: Caller
    bundle_id: UUID
    due_at: datetime
    who: dose_page.Who
    door: Door


def opened(token: str, pepper: str, *, request_id: str, ip_address: str | None) -> Link:
    """Return the link behind the secret part of an address.

    Raises:
        NoDoses: we gave out no such address.
    """
    found = dose_page.opened(token, pepper)
    if found is None:
        raise NoDoses
    tenant_id, bundle_id, due_at, who = found
    caller = Caller(tenant_id, bundle_id, ACTOR, request_id=request_id, ip_address=ip_address)
    return Link(caller, bundle_id, due_at, who, Door(caller, bundle_id, token, pepper))


async def question(link: Link, *, why: str = "") -> bytes:
    """Return the page that asks for the date of birth, or says that the reminder is over.

    Raises:
        NoDoses: there is nothing to mark.
    """
    async with begin(link.caller) as tx:
        rows, now = await _rows(tx, link), tx.now
    language = language_of(rows[0].language)
    if _is_over(link, now):
        return dose_page.over(language)
    return dose_page.ask(language, link.door.token, why=why)


async def prove(link: Link, keeper: Doorkeeper, given: Mapping[str, str]) -> str:
    """Return the proof that the patient's date of birth was given.

    Raises:
        NoDoses: there is nothing to mark.
        NotProved: it was not.
        RateLimited: too many were tried.
    """
    async with begin(link.caller) as tx:
        [first, *_], now = await _rows(tx, link), tx.now
    return await keeper.open(
        link.door, given, patient_id=first.patient_id, born=first.born, now=now
    )


async def page(link: Link, proof: str, *, thanks: bool = False) -> bytes:
    """Return the page of the doses; the look at their medications is audited.

    Raises:
        NoDoses: there is nothing to mark.
        NotProved: the date of birth was not given, or too long ago.
    """
    async with begin(link.caller) as tx:
        birth_date.check(link.door, proof, now=tx.now)
        rows, now = await _rows(tx, link), tx.now
    language = language_of(rows[0].language)
    if _is_over(link, now):
        return dose_page.over(language)
    seen = sorted({row.medication_id for row in rows})
    await note_read(link.caller, entity_type=ENTITY, seen=seen)
    home = zone(rows[0].zone)
    shown = [
        dose_page.Shown(
            row.id, row.name, to_local(row.due_at, home), _noted(row), _choices(row, now)
        )
        for row in rows
    ]
    return dose_page.render(
        language, link.door.token, shown, proof=proof, now=to_local(now, home), thanks=thanks
    )


async def mark(link: Link, step: dose_page.Step, proof: str, *, dose_id: UUID | None) -> bool:
    """Report on a dose, or on all of the reminder; say whether that could be done.

    As with a reply: what nobody has reported on, or a correction while the window lasts.

    Raises:
        NoDoses: there is nothing to mark.
        NotProved: the date of birth was not given, or too long ago.
    """
    try:
        async with begin(link.caller) as tx:
            birth_date.check(link.door, proof, now=tx.now)
            rows = await _rows(tx, link)
            if _is_over(link, tx.now):
                return False
            # In the order of everybody who settles doses: the patient, medications, then doses.
            await tx.values(LOCK_PATIENTS, [rows[0].patient_id])
            await tx.values(queries.LOCK_MEDICATIONS, link.bundle_id)
            told = await tx.all(queries.TOLD, link.bundle_id)
            shown = {row.id for row in rows if dose_id in {None, row.id}}
            meant = rules_replies.meant([one for one in told if one.id in shown], step, at=tx.now)
            if meant.refusal is not None:
                return False
            if meant.dose_ids:
                taken_at = tx.now if step == "taken" else None
                await settle(tx, meant.dose_ids, step, source=link.who, taken_at=taken_at)
    except Conflict:  # somebody changes them just now
        return False
    return True


async def _rows(tx: Tx, link: Link) -> Sequence[queries_links.Row]:
    rows = await tx.all(queries_links.SHOWN, link.bundle_id)
    if not rows:
        raise NoDoses
    if rows[0].is_gone:
        raise DosesGone
    return rows


def _is_over(link: Link, now: datetime) -> bool:
    return now >= link.due_at + LASTS


def _noted(row: queries_links.Row) -> dose_page.Step | None:
    if row.state == "taken":
        return "taken"
    said = row.state in {"skipped", "missed"} and row.source != "inference"
    return "skipped" if said else None


def _choices(row: queries_links.Row, now: datetime) -> list[dose_page.Step]:
    return [step for step in _STEPS if rules_replies.meant([row.told], step, at=now).dose_ids]
