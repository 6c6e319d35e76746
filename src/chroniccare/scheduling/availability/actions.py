"""The weeks that providers work, and the hours that facilities are open: a change of either."""

from dataclasses import replace
from uuid import UUID

from chroniccare.core.errors import FieldError, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.core.week import minutes
from chroniccare.facilities import actions as facilities
from chroniccare.facilities.queries import Facility
from chroniccare.facilities.schemas import FacilityWrite
from chroniccare.platform.postgres import Tx
from chroniccare.providers import actions as providers
from chroniccare.providers.queries import Provider
from chroniccare.providers.schemas import ProviderWrite
from chroniccare.scheduling.availability import queries, rules, stranding
from chroniccare.scheduling.availability.schemas import AvailabilityWrite, RuleWrite
from chroniccare.scheduling.availability.stranding import ASK, Affected, Changed, Choice
from chroniccare.scheduling.slots import rules as slots


async def availability(tx: Tx, provider_id: UUID) -> queries.Availability:
    """Return a provider's weekly rules by day and start.

    Raises:
        NotFound: no such provider.
    """
    found = await tx.one(queries.GET_AVAILABILITY, provider_id)
    if found is None:
        raise NotFound("No such provider.")
    return found


async def set_availability(
    tx: Tx, provider: Provider, body: AvailabilityWrite, *, choice: Choice = ASK
) -> Changed[queries.Availability]:
    """Replace every weekly rule of `provider`, which this transaction has locked.

    Raises:
        Unprocessable: a rule ends before it begins, stands at a facility where the provider does
            not work, overlaps another, at whichever facility, or is released but not reserved.
        StrandedVisits: see `stranding.apply`.
    """
    if faults := _rule_faults(provider, body):
        raise Unprocessable(details=faults)
    week = [_weekly(rule) for rule in body.rules]

    def change(hours: rules.Hours) -> rules.Hours:
        return rules.with_calendar(
            hours, provider.id, lambda calendar: replace(calendar, rules=week)
        )

    async def write() -> queries.Availability:
        before = await availability(tx, provider.id)
        rows = [{"id": str(new_id()), **rule.model_dump(mode="json")} for rule in body.rules]
        await tx.run(queries.REPLACE_AVAILABILITY, rows, tx.caller.tenant_id, provider.id, tx.now)
        after = await availability(tx, provider.id)
        await providers.tell(tx, "update_availability", provider.id, before=before, after=after)
        return after

    affected = Affected(provider_id=provider.id)
    return await stranding.apply(tx, affected, change, write, choice=choice)


async def update_facility(
    tx: Tx, facility: Facility, body: FacilityWrite, *, choice: Choice = ASK
) -> Changed[Facility]:
    """Replace `facility`, which this transaction has locked, by `body`.

    Raises:
        Unprocessable: operating hours overlap.
        StrandedVisits: see `stranding.apply`.
    """
    facilities.check_hours(body.operating_hours)
    week = rules.open_week(facility.id, body.operating_hours.model_dump())

    def change(hours: rules.Hours) -> rules.Hours:
        def changed(place: slots.Place) -> slots.Place | None:
            return replace(place, zone=body.timezone, hours=week) if body.is_active else None

        return rules.with_place(hours, facility.id, changed)

    async def write() -> Facility:
        return await facilities.update(tx, facility, body)

    same = facility.timezone == body.timezone and facility.is_active == body.is_active
    if (
        same
        and not choice.dry_run
        and week == rules.open_week(facility.id, facility.operating_hours)
    ):
        return Changed(await write(), [])
    affected = Affected(facility_id=facility.id)
    return await stranding.apply(tx, affected, change, write, choice=choice)


async def update_provider(
    tx: Tx, provider: Provider, body: ProviderWrite, *, choice: Choice = ASK
) -> Changed[Provider]:
    """Replace `provider`, which this transaction has locked, by `body`.

    Who is not active any more holds no visits; a facility is left once nothing can be booked there.

    Raises:
        Unprocessable, Conflict: see `providers.update`.
        StrandedVisits: see `stranding.apply`.
    """

    def change(hours: rules.Hours) -> rules.Hours:
        if body.is_active or not provider.is_active:
            return hours
        left = {one: held for one, held in hours.calendars.items() if one != provider.id}
        return replace(hours, calendars=left)

    async def write() -> Provider:
        return await providers.update(tx, provider, body)

    if not choice.dry_run and (body.is_active or not provider.is_active):
        return Changed(await write(), [])
    return await stranding.apply(
        tx, Affected(provider_id=provider.id), change, write, choice=choice
    )


def _weekly(rule: RuleWrite) -> slots.Weekly:
    last = rule.effective_until
    return slots.Weekly(
        rule.facility_id, rule.day_of_week, minutes(rule.start_time), minutes(rule.end_time),
        rule.slot_duration, rule.is_available, rule.effective_from.toordinal(),
        None if last is None else last.toordinal(),
    )  # fmt: skip


def _rule_faults(provider: Provider, body: AvailabilityWrite) -> list[FieldError]:
    works_at = providers.works_at(provider)
    faults = []
    for number, rule in enumerate(body.rules):
        field = f"rules.{number}"
        if str(rule.facility_id) not in works_at:
            reason = "the provider does not work there"
            faults.append(FieldError(f"{field}.facility_id", reason, "unknown"))
        if rule.effective_until is not None and rule.effective_until < rule.effective_from:
            reason = "lies before effective_from"
            faults.append(FieldError(f"{field}.effective_until", reason, "order"))
        if rule.release_minutes is not None and rule.reserved_for is None:
            reason = "only with reserved_for"
            faults.append(FieldError(f"{field}.release_minutes", reason, "reserved"))
        if rule.reserved_for is not None and not rule.is_available:
            reason = "nothing can be booked in a range that is set aside"
            faults.append(FieldError(f"{field}.reserved_for", reason, "reserved"))
    weekly = [
        rules.Weekly(r.day_of_week, r.start_time, r.end_time, r.effective_from, r.effective_until)
        for r in body.rules
    ]
    faults += [
        FieldError(f"rules.{later}", f"overlaps rule {earlier}", "overlap")
        for earlier, later in rules.collisions(weekly)
    ]
    return faults
