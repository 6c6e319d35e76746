"""Free times worked out by PostgreSQL's multiranges: another engine, another time zone library.

Too slow and too moody for the product (docs/slots.md), but an independent judge of
scheduling/slots/rules.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import asyncpg

from chroniccare.scheduling.seating import scarce
from chroniccare.scheduling.slots import rules as slots
from chroniccare.scheduling.slots.intervals import Interval

# A time on the wall as an instant, the first of two; whoever asks stays clear of skipped times.
_FIRST = (
    "(SELECT CASE WHEN (i - interval '1 hour') AT TIME ZONE $1 = w.wall THEN i - interval '1 hour'"
    " WHEN (i - interval '30 minutes') AT TIME ZONE $1 = w.wall THEN i - interval '30 minutes'"
    " ELSE i END FROM (SELECT w.wall AT TIME ZONE $1 AS i) one)"
)
# $1 zone, $2 ranges on days: kind, day, minutes of start and end (end behind start), step, and the
# minute behind which nothing of it counts; $3 the patient's busy minutes, $4 length, $5 and $6
# first and last day, $7 and $8 the first and last minute, $9 the provider's busy minutes, $10 and
# $11 buffers, $12 the busy minutes of each room, $13 how many rooms, $14 most visits a
# day, $15 the starts of the provider's visits.
_FAR = 2**31
SQL = f"""
WITH spans AS (SELECT r.kind, r.day, r.start, r.length, r.step, r.until
    FROM jsonb_to_recordset($2::jsonb)
    AS r (kind text, day date, start int, length int, step int, until bigint)),
walls AS (SELECT s.*, e.at, s.day + (s.start + e.at) * interval '1 minute' AS wall
    FROM spans s CROSS JOIN LATERAL (VALUES (0), (s.length)) AS e (at)),
ends AS (SELECT w.kind, w.day, w.start, w.length, w.step, w.until, w.at, {_FIRST} AS instant
    FROM walls w),
ranges AS (SELECT kind, tstzrange(min(instant), max(instant))
    * tstzrange(NULL, to_timestamp(until * 60)) AS span FROM ends
    GROUP BY kind, day, start, length, step, until),
sets AS (SELECT kind, range_agg(span) AS multi FROM ranges GROUP BY kind),
busy AS (SELECT coalesce(range_agg(tstzrange(to_timestamp((b->>0)::int * 60),
    to_timestamp((b->>1)::int * 60))), '{{}}') AS multi FROM jsonb_array_elements($3::jsonb) b),
pick AS (SELECT
    coalesce(max(multi::text) FILTER (WHERE kind = 'open'), '{{}}')::tstzmultirange AS o,
    coalesce(max(multi::text) FILTER (WHERE kind = 'aside'), '{{}}')::tstzmultirange AS a,
    coalesce(max(multi::text) FILTER (WHERE kind = 'extra'), '{{}}')::tstzmultirange AS x,
    coalesce(max(multi::text) FILTER (WHERE kind = 'off'), '{{}}')::tstzmultirange AS f,
    coalesce(max(multi::text) FILTER (WHERE kind = 'hours'), '{{}}')::tstzmultirange AS h,
    coalesce(max(multi::text) FILTER (WHERE kind = 'closed'), '{{}}')::tstzmultirange AS c
    FROM sets),
free AS (SELECT ((o - a + x) - f) * (h - c) - (SELECT multi FROM busy) AS multi FROM pick),
grid AS (SELECT DISTINCT s.day + (s.start + k) * interval '1 minute' AS wall, s.until
    FROM spans s CROSS JOIN LATERAL generate_series(0, s.length - 1, s.step) AS k
    WHERE s.kind IN ('open', 'extra')),
starts AS (SELECT w.wall, w.until, {_FIRST} AS instant FROM grid w
    WHERE w.wall AT TIME ZONE $1 AT TIME ZONE $1 = w.wall
    AND w.wall >= $5::date AND w.wall < $6::date + 1)
SELECT DISTINCT (date_part('epoch', s.instant) / 60)::int FROM starts s, free
WHERE free.multi @> tstzrange(s.instant, s.instant + $4::int * interval '1 minute')
AND s.instant > to_timestamp($7::bigint * 60) AND s.instant <= to_timestamp($8::bigint * 60)
AND s.instant < to_timestamp(s.until * 60)
AND NOT EXISTS (SELECT FROM jsonb_array_elements($9::jsonb) b
    WHERE tstzrange(to_timestamp((b->>0)::int * 60), to_timestamp((b->>1)::int * 60))
    && tstzrange(s.instant - $10::int * interval '1 minute',
        s.instant + ($4 + $11::int) * interval '1 minute'))
AND (SELECT count(*) FROM jsonb_array_elements($12::jsonb) room WHERE NOT EXISTS (
    SELECT FROM jsonb_array_elements(room) b
    WHERE tstzrange(to_timestamp((b->>0)::int * 60), to_timestamp((b->>1)::int * 60))
    && tstzrange(s.instant - $10 * interval '1 minute',
        s.instant + ($4 + $11) * interval '1 minute'))) >= $13::int
AND (SELECT count(*) FROM jsonb_array_elements($15::jsonb) b
    WHERE (to_timestamp(b::int * 60) AT TIME ZONE $1)::date = s.wall::date) < $14::int
ORDER BY 1
"""  # noqa: S608  constants


@dataclass(frozen=True, slots=True)
class Case:
    """One random calendar and what is looked for in it."""

    calendar: slots.Calendar
    place: slots.Place
    busy: list[Interval]
    window: slots.Window
    rooms: Sequence[list[Interval]] = ()
    count: int = 0
    rank: int = 0
    before: int = 0
    after: int = 0


def by_sweep(case: Case) -> list[int]:
    """Return the starts that the product finds."""
    hours = slots.open_hours(case.place, case.window)
    blocked = scarce(
        [[room] for room in case.rooms], case.count, minutes=case.calendar.minutes,
        before=case.before, after=case.after,
    )  # fmt: skip
    return slots.find(
        case.calendar,
        case.place,
        hours=hours,
        window=case.window,
        search=slots.Search(
            case.rank, case.window.after, case.before, case.after, case.busy, (), blocked
        ),
    )


async def by_multiranges(connection: "asyncpg.Connection[asyncpg.Record]", case: Case) -> list[int]:
    """Return the starts that PostgreSQL finds."""
    calendar, place, window = case.calendar, case.place, case.window
    rows: list[dict[str, Any]] = []
    for day in range(window.first - 1, window.last + 2):
        for rule in calendar.rules:
            if rule.facility_id == place.id and _holds(rule, day):
                kind = "open" if rule.is_available else "aside"
                until = _FAR
                if rule.is_available and rule.rank > case.rank:
                    until = 0 if rule.release is None else window.after + rule.release
                rows.append({**_row(kind, day, rule.start, rule.end, rule.step), "until": until})
        rows += [_row("hours", day, r.start, r.end, 1) for r in place.hours if _holds(r, day)]
    for of_place, dated in ((False, calendar.exceptions), (True, place.exceptions)):
        for one in dated:
            if one.facility_id in {None, place.id}:
                kinds = ("closed", "hours") if of_place else ("off", "extra")
                start, end = (0, 1440) if one.start is None else (one.start, one.end or 0)
                rows.append(_row(kinds[one.is_available], one.day, start, end, calendar.minutes))
    days = (date.fromordinal(window.first), date.fromordinal(window.last))
    found = await connection.fetch(
        SQL, place.zone, rows, case.busy, calendar.minutes, *days, window.after, window.until,
        calendar.busy, case.before, case.after, case.rooms, case.count,
        10**6 if calendar.daily is None else calendar.daily, list(calendar.visits),
    )  # fmt: skip
    return [row[0] for row in found]


def _holds(rule: slots.Weekly, day: int) -> bool:
    weekday = (date.fromordinal(day).weekday() + 1) % 7
    within = rule.first <= day and (rule.last is None or day <= rule.last)
    return within and weekday == rule.day_of_week


def _row(kind: str, day: int, start: int, end: int, step: int) -> dict[str, Any]:
    length = end - start if end > start else end - start + 1440
    on = date.fromordinal(day).isoformat()
    return {"kind": kind, "day": on, "start": start, "length": length, "step": step, "until": _FAR}
