"""Limits and figures of what SMS cost."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from chroniccare.audit.actions import record
from chroniccare.core.errors import FieldError, Invalid, Unprocessable
from chroniccare.notifications.plan import LOOP
from chroniccare.notifications.spend import budget, queries, rules
from chroniccare.notifications.spend.schemas import GroupBy, LimitsWrite
from chroniccare.platform.postgres import Tx

_DEFAULT_DAYS = 31
_MOST_DAYS = 366
_USUAL_DAYS = 30
"""What is usual is what these days had."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tenant may spend, as the API answers it."""

    monthly_segments: int | None
    monthly_amount: float | None
    currency: str
    alert_percent: int
    daily_segments: int | None
    countries: list[dict[str, Any]] | None
    segment_price: float | None
    allowed_countries: list[str] | None
    version: int
    updated_at: Any


async def get_limits(tx: Tx) -> Limits:
    """Return the limits; version 0 where none were set."""
    row = await tx.one(queries.LIMITS)
    return await _shown(tx, row or _unset(tx))


async def lock_limits(tx: Tx) -> queries.Limits:
    """Return the limits and lock them; batches wait until this transaction is over."""
    await tx.run(queries.OPEN_LIMITS, tx.caller.tenant_id, tx.now)
    found = await tx.one(queries.LOCK_LIMITS)
    assert found is not None  # noqa: S101  made above
    return found


async def set_limits(tx: Tx, before: queries.Limits, body: LimitsWrite) -> Limits:
    """Replace limits that this transaction has locked; what they held back is looked at again.

    Raises:
        Unprocessable: no such country, or a limit of money where a price is missing.
    """
    _check(body, tx.settings.sms_segment_price)
    after = replace(
        before,
        monthly_segments=body.monthly_segments,
        monthly_micros=rules.micros_of(body.monthly_amount),
        currency=body.currency,
        alert_percent=body.alert_percent,
        daily_segments=body.daily_segments,
        countries=None if body.countries is None else _stored(body),
        segment_micros=rules.micros_of(body.segment_price),
        version=before.version + 1,
        updated_at=tx.now,
    )
    await tx.run(
        queries.SET_LIMITS, after.monthly_segments, after.monthly_micros, after.currency,
        after.alert_percent, after.daily_segments, after.countries, after.segment_micros, tx.now,
    )  # fmt: skip
    await _tell_anew(tx, after)
    if await tx.run(queries.WAKE_HELD, tx.now, [rules.BUDGET, rules.COUNTRY_LIMIT]):
        tx.wake(LOOP)
    await record(
        tx, action="update", entity_type="spend_limits", entity_id=tx.caller.tenant_id,
        before=before, after=after,
    )  # fmt: skip
    return await _shown(tx, after)


async def overview(tx: Tx, months: int) -> dict[str, Any]:
    """Return what this month and those before it took, and what this one comes to."""
    row = await tx.one(queries.LIMITS) or _unset(tx)
    limits, used = budget.limits_of(row), await budget.used_now(tx)
    this = rules.month_of(tx.now)
    first = rules.months_back(this, months - 1)
    taken = {one.month: one for one in await tx.all(queries.MONTHS, first)}
    reserved = {one.month: one for one in await tx.all(queries.RESERVED, first)}
    told = {one.month: one for one in await tx.all(queries.TOLD, first)}
    share = rules.percent(limits, used)
    names = [rules.months_back(this, number) for number in range(months)]
    return {
        "currency": row.currency,
        "resets_at": rules.until(rules.BUDGET, tx.now),
        "limit_segments": row.monthly_segments,
        "limit_amount": rules.amount_of(row.monthly_micros),
        "percent": None if share is None else round(share, 1),
        "forecast": await _outlook(tx, used),
        "months": [
            _month(name, taken.get(name), reserved.get(name), told.get(name)) for name in names
        ],
    }


async def entries(
    tx: Tx, start: date | None, end: date | None, *, group_by: GroupBy, country: str | None
) -> dict[str, Any]:
    """Count what went out on the UTC days [start, end): the last 31 unless told.

    Raises:
        Invalid: the range is empty or longer than 366 days.
    """
    stretch = timedelta(days=_DEFAULT_DAYS)
    end = end or (tx.now.date() + timedelta(days=1) if start is None else start + stretch)
    start = start or end - stretch
    if not start < end <= start + timedelta(days=_MOST_DAYS):
        raise Invalid.field("to", "must lie after `from`, by 366 days at most", "range")
    query = queries.BY_DAY if group_by == "day" else queries.BY_COUNTRY
    groups = [
        {
            "key": row.key,
            "messages": row.messages,
            "segments": row.segments,
            "amount": rules.amount_of(row.micros),
        }
        for row in await tx.all(query, start, end, country)
    ]
    limits = await tx.one(queries.LIMITS) or _unset(tx)
    return {
        "from": start,
        "to": end,
        "group_by": group_by,
        "currency": limits.currency,
        "groups": groups,
    }


def _month(
    month: date, taken: queries.Month | None, reserved: queries.Reserved | None,
    told: queries.Told | None,
) -> dict[str, Any]:  # fmt: skip
    return {
        "month": rules.name_of(month),
        "messages": taken.messages if taken else 0,
        "segments": taken.segments if taken else 0,
        "reserved_segments": reserved.segments if reserved else 0,
        "amount": rules.amount_of(taken.micros) if taken else 0.0,
        "reserved_amount": rules.amount_of(reserved.micros) if reserved else 0.0,
        "alerted_at": told.alerted_at if told else None,
        "exhausted_at": told.exhausted_at if told else None,
    }


async def _outlook(tx: Tx, used: rules.Used) -> dict[str, Any]:
    planned = await tx.value(queries.PLANNED, rules.until(rules.BUDGET, tx.now))
    usual = await usual_sms(tx)
    return {
        "messages": planned,
        "segments": used.segments + round(planned * usual.segments),
        "amount": rules.amount_of(used.micros + round(planned * usual.micros)),
    }


async def usual_sms(tx: Tx) -> rules.Usual:
    """Return what an SMS took lately; without any, one segment at the general price."""
    limits = await tx.one(queries.LIMITS) or _unset(tx)
    price = limits.segment_micros
    if price is None:
        price = rules.micros_of(tx.settings.sms_segment_price)
    [row] = await tx.all(queries.LATELY, tx.now.date() - timedelta(days=_USUAL_DAYS))
    if not row.messages:
        return rules.Usual(1.0, float(price or 0), known=price is not None)
    known = price is not None or row.micros > 0
    return rules.Usual(row.segments / row.messages, row.micros / row.messages, known=known)


def _unset(tx: Tx) -> queries.Limits:
    return queries.Limits(None, None, "USD", 80, None, None, None, 0, tx.now)


async def _shown(tx: Tx, row: queries.Limits) -> Limits:
    home = await tx.values(queries.HOME)
    listed = None if row.countries is None else sorted(row.countries.items())
    return Limits(
        row.monthly_segments,
        rules.amount_of(row.monthly_micros),
        row.currency,
        row.alert_percent,
        row.daily_segments,
        None if listed is None else [_country(code, own) for code, own in listed],
        rules.amount_of(row.segment_micros),
        (home or None) if listed is None else [code for code, _ in listed],
        row.version,
        row.updated_at if row.version else None,
    )


def _country(code: str, own: dict[str, Any]) -> dict[str, Any]:
    return {
        "country": code,
        "daily_segments": own["daily_segments"],
        "segment_price": rules.amount_of(own["segment_micros"]),
    }


def _stored(body: LimitsWrite) -> dict[str, Any]:
    return {
        one.country: {
            "daily_segments": one.daily_segments,
            "segment_micros": rules.micros_of(one.segment_price),
        }
        for one in body.countries or []
    }


def _check(body: LimitsWrite, default: float | None) -> None:
    unknown = [
        FieldError(f"countries.{number}.country", "no number belongs to it", "unknown")
        for number, one in enumerate(body.countries or [])
        if not rules.known_country(one.country)
    ]
    if unknown:
        raise Unprocessable(details=unknown)
    priced = body.segment_price is not None or default is not None
    own = body.countries is not None and all(
        one.segment_price is not None for one in body.countries
    )
    if body.monthly_amount is not None and not priced and not own:
        raise Unprocessable.field(
            "monthly_amount", "needs `segment_price`: SMS of no price would never reach it",
            "no_price",
        )  # fmt: skip


async def _tell_anew(tx: Tx, row: queries.Limits) -> None:
    """Let be told again what is not true any more now that the limit is another one."""
    limits = budget.limits_of(row)
    share = rules.percent(limits, await budget.used_now(tx)) or 0.0
    month = rules.month_of(tx.now)
    await tx.run(queries.UNTELL, month, share < limits.alert_percent, share < 100)  # noqa: PLR2004
