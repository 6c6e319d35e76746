"""Messages about doses: one for those that are due together, given up when none is left."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from chroniccare.core.time import zone
from chroniccare.medications.queries import LOCK_PATIENTS
from chroniccare.medications.reminders import queries, rules
from chroniccare.medications.reminders.model import Dose
from chroniccare.notifications import plan, plan_doses
from chroniccare.notifications import queries as notifications
from chroniccare.notifications import rules as messages
from chroniccare.notifications.preferences import recipients
from chroniccare.notifications.preferences import rules as preferences
from chroniccare.platform.postgres import Tx


async def doses_changed(tx: Tx, patient_ids: Sequence[UUID]) -> None:
    """Bring the messages of patients in line with their doses, which this transaction changed.

    From the open doses of the next hours follow the bundles that should wait: new ones are written,
    those without an open dose are given up, those that stand stay. What was told, or is being told,
    is not told again. The same however often, and in whatever order, it is called; the patients'
    rows are locked until the transaction ends.
    """
    patients = sorted(set(patient_ids))
    if not patients:
        return
    # Before anything is read: two that change doses of one patient see each other's.
    await tx.values(LOCK_PATIENTS, patients)
    until = tx.now + timedelta(hours=tx.settings.dose_reminder_hours)
    doses = await tx.all(queries.UNTOLD, tx.now, until, patients)
    reaches = await plan.reaches(tx, patients) if doses else []
    found = _bundles(tx, doses, reaches)
    links = [
        {"bundle_id": bundle.id, "dose_id": dose.id, "due_at": dose.due_at}
        for bundle, _ in found
        for dose in bundle.doses
    ]
    await tx.run(queries.UNLINK, links, patients, tx.now, until)
    if links:
        await tx.run(queries.LINK, links, tx.caller.tenant_id)
    planned = [_message(bundle, time_zone) for bundle, time_zone in found]
    await plan_doses.keep_doses(tx, patients, planned, reaches)


def _bundles(
    tx: Tx, doses: Sequence[Dose], reaches: Sequence[notifications.Reach]
) -> list[tuple[rules.Bundle, str]]:
    """Return the bundles that still have a point, each with the zone that its patient lives in."""
    of_patient: dict[UUID, list[Dose]] = {}
    for dose in doses:
        of_patient.setdefault(dose.patient_id, []).append(dose)
    clinic = messages.parse_quiet_hours(tx.settings.quiet_hours)
    window = timedelta(minutes=tx.settings.dose_bundle_minutes)
    found: list[tuple[rules.Bundle, str]] = []
    for reach in reaches:
        if reach.related_person_id is not None:
            continue
        home = zone(reach.time_zone)
        quiet = preferences.quiet_of(recipients.of_reach(reach), "medications", clinic)
        bundles = rules.bundles(
            of_patient.get(reach.patient_id, ()), window=window,
            quiet=lambda at, home=home, quiet=quiet: messages.quiet_period(at, home, quiet),  # type: ignore[misc]
        )  # fmt: skip
        found += [(one, reach.time_zone) for one in bundles if one.until > tx.now]
    return found


def _message(bundle: rules.Bundle, time_zone: str) -> plan_doses.Planned:
    return plan_doses.Planned(
        plan_doses.DOSE_REMINDER, bundle.patient_id, time_zone, at=bundle.due_at,
        about=bundle.due_at, until=bundle.until, key=f"doses:{bundle.id}",
        data={"bundle_id": bundle.id},
    )  # fmt: skip
