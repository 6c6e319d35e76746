"""A visit's messages: rows written in the transaction that books, moves or cancels the visit."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from chroniccare.core.ids import new_id
from chroniccare.core.time import zone
from chroniccare.notifications import queries, rules
from chroniccare.notifications.preferences import recipients
from chroniccare.notifications.preferences import rules as preferences
from chroniccare.notifications.rules_categories import Topic, category_of
from chroniccare.notifications.sealing import sealed
from chroniccare.platform.postgres import Tx

LOOP = "dispatch"
"""What to wake when there is something to send."""
_LAST_REMINDER_H = min(rules.REMINDER_OFFSETS_H)


@dataclass(frozen=True, slots=True)
class Visit:
    """What a visit's messages need; `starts_at` is UTC, `facility_zone` an IANA name.

    `moved` says that the patient knows the visit at another time, or with somebody else;
    `reminders_only`, that another visit's message speaks for the whole series.
    """

    appointment_id: UUID
    version: int
    patient_id: UUID
    provider_id: UUID
    starts_at: datetime
    provider_name: str
    facility_name: str
    facility_zone: str
    moved: bool = False
    reminders_only: bool = False


async def plan_visit(tx: Tx, visits: list[Visit]) -> int:
    """Plan a confirmation now and reminders 72, 24 and 2 hours before; return rows written.

    A visit that was moved has the notice of that in place of the confirmation.

    Nothing is planned for the past, for a patient who is removed, inactive or dead, or twice for
    one version of a visit. A reminder expires when the next is due: after an outage patients get
    one, not three. Who cannot be reached gets a confirmation that is `suppressed` with the
    reason, so that staff see it; the reminders wait for contact points and consent that may still
    come, and are suppressed when they are due. `scheduled_send_time` is the time on paper; the
    first attempt may lie off it, because a reminder that falls into quiet hours waits, or goes out
    before them.
    """
    quiet = rules.parse_quiet_hours(tx.settings.quiet_hours)
    return await _write(tx, visits, lambda visit, reach: _rows(tx.now, visit, reach, quiet))


async def plan_cancelled(tx: Tx, visits: list[Visit]) -> int:
    """Tell the patients now that visits to come will not take place; return rows written."""
    kind = "appointment_cancelled"
    return await _write(
        tx, visits,
        lambda visit, reach: [
            _row(visit, reach, kind, 0, sent=tx.now, at=tx.now, until=visit.starts_at)
        ],
    )  # fmt: skip


async def plan_offer(tx: Tx, visit: Visit, *, offer_id: UUID, until: datetime) -> int:
    """Tell the patient now of a time that is kept for them `until` then; return rows written."""

    def rows_of(visit: Visit, reach: queries.Reach) -> list[dict[str, Any]]:
        row = _row(visit, reach, rules.OFFER, 0, sent=tx.now, at=tx.now, until=until)
        row["template_data"] |= {"until": until, "offer_id": offer_id}
        return [row]

    return await _write(tx, [visit], rows_of)


async def plan_asked(tx: Tx, visit: Visit, kind: str, *, at: datetime | None) -> UUID | None:
    """Plan the message of `kind` that staff ask for, `at` a time or now; return its id.

    None: its patient is removed, inactive or has died. Staff may ask for the same one again.
    """
    ids: list[UUID] = []

    def rows_of(visit: Visit, reach: queries.Reach) -> list[dict[str, Any]]:
        sent = at or tx.now
        row = _row(visit, reach, kind, 0, sent=sent, at=sent, until=visit.starts_at)
        if at is not None:
            # Contact points and consent may still come, as for a reminder.
            plan = preferences.wanted(recipients.of_reach(reach), category_of(kind))
            row |= {"channel": plan[0], "channel_plan": plan, "delivery_status": "pending"}
            row["delivery_details"] = {}
        row["dedupe_key"] = f"asked:{row['id']}"
        ids.append(row["id"])
        return [row]

    await _write(tx, [visit], rows_of)
    return ids[0] if ids else None


async def reachable(tx: Tx, patient_ids: list[UUID]) -> dict[UUID, datetime | None]:
    """Return the patients who can be written to today, and until when (UTC) each is to be left.

    None stands for those who have no quiet hours now. A patient is reached, too, through a related
    person who receives offers.
    """
    clinic = rules.parse_quiet_hours(tx.settings.quiet_hours)
    category = category_of(rules.OFFER)
    ends: dict[UUID, list[datetime]] = {}
    for reach in await reaches(tx, patient_ids):
        who = recipients.of_reach(reach)
        if plan_now(who, category)[0]:
            quiet = preferences.quiet_of(who, category, clinic)
            period = rules.quiet_period(tx.now, zone(who.time_zone), quiet)
            ends.setdefault(reach.patient_id, []).append(tx.now if period is None else period[1])
    found = {patient_id: min(those) for patient_id, those in ends.items()}
    return {patient_id: None if end == tx.now else end for patient_id, end in found.items()}


async def sleeping_until(tx: Tx, patient_id: UUID) -> datetime | None:
    """Return the end of the quiet hours of a patient who can be written to; None outside them."""
    return (await reachable(tx, [patient_id])).get(patient_id)


async def _write(
    tx: Tx, visits: list[Visit], rows_of: Callable[[Visit, queries.Reach], list[dict[str, Any]]]
) -> int:
    """Write what `rows_of` returns for each visit to come whose patient can be written to."""
    coming = [visit for visit in visits if visit.starts_at > tx.now]
    if not coming:
        return 0
    found: dict[UUID, list[queries.Reach]] = {}
    for reach in await reaches(tx, sorted({visit.patient_id for visit in coming})):
        found.setdefault(reach.patient_id, []).append(reach)
    rows: list[dict[str, Any]] = []
    for visit in coming:
        if visit.patient_id not in found:
            continue
        patient, *others = found[visit.patient_id]
        own = rows_of(visit, patient)
        rows += own
        for reach in others:
            rows += _for(reach, own, rows_of(visit, reach))
    if not rows:
        return 0
    written = await tx.run(queries.INSERT, await sealed(tx, rows), tx.caller.tenant_id, tx.now)
    if written:
        tx.wake(LOOP)
    return written


async def reaches(tx: Tx, patient_ids: list[UUID]) -> list[queries.Reach]:
    """Return how each can be reached, a patient before those who receive with them."""
    return await tx.all(queries.REACH, patient_ids, tx.now.date() - timedelta(days=1))


def _for(
    reach: queries.Reach, own: list[dict[str, Any]], rows: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the messages among `rows` that a related person receives; `own` are the patient's."""
    return [
        row
        | {
            "related_person_id": reach.related_person_id,
            "dedupe_key": recipients.key(first["dedupe_key"], reach),
        }
        for first, row in zip(own, rows, strict=True)
        if category_of(row["notification_type"]) in (reach.categories or ())
    ]


async def cancel_visit(tx: Tx, appointment_id: UUID, *, status: str = "cancelled") -> int:
    """Give up every message of a visit that is not on its way; return how many.

    `status` is `cancelled`, or `superseded` when the visit was moved. A row that is being sent is
    left alone: its delivery read the visit before this transaction began to change it.
    """
    return await cancel_visits(tx, [appointment_id], status=status)


async def cancel_visits(tx: Tx, appointment_ids: list[UUID], *, status: str = "cancelled") -> int:
    """Give up the messages of many visits; see `cancel_visit`."""
    return await tx.run(queries.CANCEL_VISITS, appointment_ids, status, tx.now)


async def restore_visit(tx: Tx, appointment_id: UUID) -> int:
    """Take back that messages were given up, where they still have a point; return how many.

    For a visit that is open again because a step was undone. What fell due meanwhile is due now.
    """
    kinds = sorted(rules.ABOUT_OPEN_VISITS)
    restored = await tx.run(queries.RESTORE_VISIT, appointment_id, kinds, tx.now)
    if restored:
        tx.wake(LOOP)
    return restored


def _rows(
    now: datetime, visit: Visit, reach: queries.Reach, clinic: rules.Quiet
) -> list[dict[str, Any]]:
    kind = "appointment_rescheduled" if visit.moved else "appointment_confirmation"
    rows: list[dict[str, Any]] = []
    if not visit.reminders_only:
        rows.append(_row(visit, reach, kind, 0, sent=now, at=now, until=visit.starts_at))
    home = zone(reach.time_zone)
    quiet = preferences.quiet_of(recipients.of_reach(reach), "appointments", clinic)
    for hours, following in pairwise((*rules.REMINDER_OFFSETS_H, 0)):
        due = visit.starts_at - timedelta(hours=hours)
        if due <= now:
            continue
        until = visit.starts_at - timedelta(hours=following)
        at = rules.first_look(due, now=now, deadline=until, zone=home, quiet=quiet)
        rows.append(_row(visit, reach, "appointment_reminder", hours, sent=due, at=at, until=until))
    return rows


def _row(
    visit: Visit, reach: queries.Reach, kind: str, hours: int, *, sent: datetime, at: datetime,
    until: datetime,
) -> dict[str, Any]:  # fmt: skip
    who, category = recipients.of_reach(reach), category_of(kind)
    wanted = preferences.wanted(who, category)
    plan, reason = (wanted, None) if hours else plan_now(who, category)
    return {
        "id": new_id(),
        "patient_id": visit.patient_id,
        "provider_id": visit.provider_id,
        "appointment_id": visit.appointment_id,
        "notification_type": kind,
        "channel": (plan or wanted)[0],
        "channel_plan": plan,
        "priority": "urgent" if hours == _LAST_REMINDER_H else "normal",
        "scheduled_send_time": sent,
        "next_attempt_at": at,
        "expires_at": until,
        "delivery_status": "suppressed" if reason else "pending",
        "delivery_details": {"reason": reason} if reason else {},
        "template_data": {
            "starts_at": visit.starts_at,
            "zone": visit.facility_zone,
            "provider_name": visit.provider_name,
            "facility_name": visit.facility_name,
            "offset_hours": hours,
        },
        "dedupe_key": f"{visit.appointment_id}:{visit.version}:{kind}:{hours}",
    }


def plan_now(who: preferences.Recipient, category: Topic) -> tuple[list[str], str | None]:
    """Return the channels that lead to the recipient today, and why there are none."""
    usable = preferences.usable(who, category)
    if usable:
        return usable, None
    reasons = {preferences.refusal(who, category, c) for c in preferences.wanted(who, category)}
    return [], next(reason for reason in _TELLING if reason in reasons)


_TELLING = ("category_off", "no_consent", "no_contact_point")
"""Why somebody cannot be reached, what staff should hear first."""
