"""Slots: read and searched by working them out, as /api/v1's search for free times does.

Nothing of it is kept, so a Slot is as true as the moment of its answer; a booking decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from chroniccare.core.caller import Caller
from chroniccare.core.errors import FieldError, Forbidden, Invalid, NotFound, Unprocessable
from chroniccare.core.time import zone
from chroniccare.fhir import (
    actions,
    asking,
    bundles,
    composing,
    conditions,
    cursors,
    dates,
    including,
    outcome,
)
from chroniccare.fhir.asking import Ask, Filter
from chroniccare.fhir.kind import Resource
from chroniccare.fhir.kinds.slots import SLOT
from chroniccare.fhir.parameters import Asked, local_or
from chroniccare.fhir.registry import KINDS, opened
from chroniccare.fhir.resources import slot
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling.known import Wish
from chroniccare.scheduling.slots import listing
from chroniccare.scheduling.slots.actions import MAX_DAYS, MAX_PROVIDERS

_SCHEDULE = KINDS["Schedule"]
_WITH_SLOTS = {**KINDS, SLOT.name: SLOT}
_BOUNDS = {"eq": (0, 1), "ge": (0, None), "gt": (1, None), "sa": (1, None),
           "lt": (None, 0), "eb": (None, 0), "le": (None, 1)}  # fmt: skip
"""Which end of a value bounds the start from below, and which from above."""


def check_scope(caller: Caller, letter: str) -> None:
    """Check that the caller may do this with Slots, all of them.

    Raises:
        Forbidden: the scopes open none, or only some: what a Slot is, no scope's SQL can say.
    """
    if opened(caller, SLOT, letter):
        raise Forbidden


async def read(caller: Caller, text: str) -> Resource:
    """Return one Slot, as it is now.

    Raises:
        NotFound: it is no id of a Slot, or there are no hours at that time.
    """
    check_scope(caller, "r")
    time = slot.opened(text)
    if time is None:
        raise NotFound
    async with begin(caller) as tx:
        return await told(tx, time)


async def told(tx: Tx, time: slot.Time) -> Resource:
    """Return a time as a Slot; see `read`."""
    asked = await actions.asked_of(tx, zones=False)
    both = [("practitioner", time.provider_id), ("location", time.facility_id)]
    rows = await schedules(tx, asked, [
        f"w.{column} = {asked.put(one, 'uuid')}"
        for column, (_, one) in zip(("provider_id", "facility_id"), both, strict=True)
    ])  # fmt: skip
    if not rows:
        raise NotFound
    try:
        status = await listing.status_of(
            tx, time.provider_id, time.facility_id, time.start, time.minutes
        )
    except Unprocessable:  # one of them is not active
        status = "busy-unavailable"
    if status is None:
        raise NotFound
    return slot.to_fhir(time, status, rows[0].id, tx.caller.tenant_id, None)


async def schedules(tx: Tx, asked: Asked, wanted: Sequence[str]) -> list[Any]:
    """Return the Schedules that meet conditions, one more than are taken on at most."""
    order = [(_SCHEDULE.id, "uuid", False)]
    statement = composing.page(_SCHEDULE, asked, wanted, order, after=None, limit=MAX_PROVIDERS + 1)
    return await tx.all(statement, *asked.arguments)


@dataclass(frozen=True, slots=True)
class Search:
    """What a search asks of each Slot.

    Attributes:
        by_pair: the Schedules, by provider and facility.
        service: kind of visit, which has its own length and buffers.
        bounds: between which starts they can be, wherever they are.
        patient_id: whose own visits are kept clear of, too.
    """

    spans: Sequence[dates.Span]
    statuses: frozenset[listing.Status]
    ids: frozenset[str] | None
    service: str | None
    bounds: tuple[datetime, datetime]
    by_pair: Mapping[tuple[UUID, UUID], Any]
    patient_id: UUID | None = None

    def fits(self, one: listing.Listed) -> bool:
        """Say whether a time is asked for, read on the facility's clocks."""
        if (one.provider_id, one.facility_id) not in self.by_pair:
            return False
        if self.ids is not None and slot.slot_id(time_of(one)) not in self.ids:
            return False
        return all(_starts(span, one) for span in self.spans)


async def search(caller: Caller, pairs: Sequence[tuple[str, str]], *, strict: bool) -> Resource:
    """Return one page of Slots by start.

    Raises:
        Forbidden: the scopes do not open them.
        Invalid: something is unknown or wrong, each thing is named, or the starts have no end.
    """
    check_scope(caller, "s")
    ask = asking.read(SLOT, _WITH_SLOTS, pairs, strict=strict)
    _check(ask)
    ask = including.spelled(caller, SLOT, ask)
    if ask.includes:
        opened(caller, _SCHEDULE, "r")
    async with begin(caller) as tx:
        asked = await actions.asked_of(tx, zones=True)
        wanted = await _wanted(tx, ask, asked)
        digest = cursors.digest([SLOT.name, [one for one in ask.pairs if one[0] != "_count"]])
        after = _after(tx, digest, ask)
    counted = ask.total != "none" or ask.summary == "count" or ask.count == 0
    try:
        found = await matches(
            caller, wanted, None if counted else after, None if counted else ask.count
        )
    except Unprocessable:  # the kind of visit is not offered, or somebody has just gone
        found = []
    total = len(found) if counted else None
    links = [("self", bundles.address(asked.base, SLOT, ask.pairs))]
    if ask.summary == "count" or ask.count == 0:
        return bundles.searchset([], links=links, total=total)
    if counted and after is not None:
        found = [one for one in found if _keys(one) > after]
    if len(found) > ask.count:
        found = found[: ask.count]
        keys = [*_keys(found[-1])[:3], str(found[-1].minutes)]
        text = cursors.written(tx.settings, caller.tenant_id, digest, keys)
        links.append(("next", bundles.address(asked.base, SLOT, [*ask.pairs, ("_cursor", text)])))
    return bundles.searchset(
        _entries(caller, ask, asked.base, wanted, found), links=links, total=total
    )


def _check(ask: Ask) -> None:
    """Check that only what can be asked of Slots is asked.

    Raises:
        Invalid: each thing that cannot is named.
    """
    wrong: list[FieldError] = []
    for one in ask.filters:
        is_chain = one.path[:1] == ("schedule",)
        if one.reverse or one.modifiers[0] not in ({None, "Schedule"} if is_chain else {None}):
            wrong.append(FieldError(one.said, "cannot be asked of Slots", "not-supported"))
        elif one.path == ("start",):
            span = dates.parse(one.values[0])
            if len(one.values) > 1 or span is None or span.prefix not in _BOUNDS:
                reason = "takes one value each, with eq, ge, gt, sa, lt, eb or le"
                wrong.append(FieldError(one.said, reason, "value"))
        elif one.path == ("service-type",) and len(one.values) > 1:
            wrong.append(FieldError(one.said, "takes one value", "value"))
    if ask.iterates:
        reason = "cannot be asked of Slots: _include=Slot:schedule can"
        wrong.append(FieldError("_include:iterate", reason, "not-supported"))
    if any(is_down for _, is_down in ask.sort):
        wrong.append(FieldError("_sort", "is by start, the earliest first", "not-supported"))
    if wrong:
        raise Invalid(details=wrong)


async def _wanted(tx: Tx, ask: Ask, asked: Asked) -> Search:
    statuses, ids, service = listing.EVERY, None, None
    for values in _values(ask, "status"):
        codes = {value.rpartition("|")[2] for value in values}
        statuses = frozenset(one for one in statuses if one in codes)
    for values in _values(ask, "_id"):
        ids = frozenset(values) if ids is None else ids & frozenset(values)
    for [value] in _values(ask, "service-type"):
        system, _, service = value.rpartition("|")
        if system not in {"", local_or(asked, "local:visit-type")}:
            statuses = frozenset()
    starts = [dates.parse(values[0]) for values in _values(ask, "start")]
    spans = [one for one in starts if one is not None]
    bounds = bounds_of(spans, asked.zones, now=tx.now)
    chain = [_of_schedule(one) for one in ask.filters if one.path[0] == "schedule"]
    about = conditions.conditions(tx.caller, _SCHEDULE, chain, asked)
    rows = await schedules(tx, asked, about)
    if len(rows) > MAX_PROVIDERS:
        reason = f"more than {MAX_PROVIDERS} have Slots then: name some"
        raise Invalid.field("schedule", reason, "too-costly")
    by_pair = {(row.provider_id, row.facility_id): row for row in rows if row.is_active}
    return Search(spans, statuses, ids, service, bounds, by_pair)


def _values(ask: Ask, name: str) -> list[list[str]]:
    return [one.values for one in ask.filters if one.path == (name,)]


def _of_schedule(one: Filter) -> Filter:
    """Return a filter of Schedules: by id, or what stands behind the chain."""
    if len(one.path) > 1:
        return Filter(one.said, one.path[1:], one.modifiers[1:], one.values)
    ids = [value.rpartition("/")[2] for value in one.values]
    return Filter(one.said, ("_id",), (None,), ids)


def bounds_of(
    spans: Sequence[dates.Span], zones: Sequence[ZoneInfo], *, now: datetime
) -> tuple[datetime, datetime]:
    """Return between which starts Slots can be, wherever they are; none is in the past.

    Raises:
        Invalid: nothing says where they end, or that is too far.
    """
    lows, highs = [now], []
    for span in spans:
        low, high = _BOUNDS[span.prefix]
        ends = [dates.instants(span, here) for here in zones]
        if low is not None:
            lows.append(min(one[low] for one in ends))
        if high is not None:
            highs.append(max(one[high] for one in ends))
    if not highs:
        raise Invalid.field("start", "needs an end, such as start=lt2026-12-08", "required")
    first, until = max(lows), min(highs)
    if until - first > timedelta(days=MAX_DAYS + 1):
        raise Invalid.field("start", f"spans over {MAX_DAYS} days", "too-costly")
    return first, until


def _starts(span: dates.Span, one: listing.Listed) -> bool:
    low, high = _BOUNDS[span.prefix]
    ends = dates.instants(span, zone(one.zone))
    is_before = low is not None and one.start < ends[low]
    return not is_before and (high is None or one.start < ends[high])


def _after(tx: Tx, digest: bytes, ask: Ask) -> tuple[Any, ...] | None:
    if ask.cursor is None:
        return None
    casts = ["timestamptz", "uuid", "uuid", "text"]
    keys = cursors.read(tx.settings, tx.caller.tenant_id, digest, ask.cursor, casts)
    return (*keys[:3], int(keys[3]))


def _keys(one: listing.Listed) -> tuple[datetime, UUID, UUID, int]:
    return one.start, one.provider_id, one.facility_id, one.minutes


def time_of(one: listing.Listed) -> slot.Time:
    """Return a time as its id says it."""
    return slot.Time(one.provider_id, one.facility_id, one.start, one.minutes)


async def matches(
    caller: Caller, wanted: Search, after: tuple[Any, ...] | None, count: int | None
) -> list[listing.Listed]:
    """Return the times behind `after`: `count` and one more, or all.

    Raises:
        Unprocessable: the kind of visit is not offered, or somebody is unknown or not active.
    """
    first, until = wanted.bounds
    if not wanted.by_pair or not wanted.statuses or first >= until:
        return []
    if after is not None:
        first = max(first, after[0])
    places = {place for _, place in wanted.by_pair}
    wish = Wish(
        sorted({provider for provider, _ in wanted.by_pair}),
        places.pop() if len(places) == 1 else None,
        wanted.service,
        patient_id=wanted.patient_id,
    )
    return await listing.listed(
        caller, wish, first=first, until=until, statuses=wanted.statuses,
        wanted=lambda one: wanted.fits(one) and (after is None or _keys(one) > after),
        most=None if count is None else count + 1,
    )  # fmt: skip


def _entries(
    caller: Caller, ask: Ask, base: str, wanted: Search, found: Sequence[listing.Listed]
) -> list[Resource]:
    rows = [wanted.by_pair[one.provider_id, one.facility_id] for one in found]
    entries = []
    for one, row in zip(found, rows, strict=True):
        whole = slot.to_fhir(time_of(one), one.status, row.id, caller.tenant_id, wanted.service)
        part = bundles.reduced(SLOT, whole, summary=ask.summary, elements=ask.elements)
        entries.append(bundles.entry(base, part, "match"))
    if ask.includes:
        for row in {row.id: row for row in rows}.values():
            whole = actions.rendered(caller, _SCHEDULE, row)
            entries.append(bundles.entry(base, whole, "include"))
    if ask.ignored:
        words = outcome.warnings(f"{name} is not known and was left out" for name in ask.ignored)
        entries.append({"resource": words, "search": {"mode": "outcome"}})
    return entries
