"""What follows from preferences, for who reads them: the verdicts of delivery, one by one. Pure."""

from collections.abc import Sequence
from datetime import datetime, time
from typing import Any

from chroniccare.notifications import packs
from chroniccare.notifications.preferences import recipients, rules
from chroniccare.notifications.preferences.queries import OptOut, Stored
from chroniccare.notifications.rules import QuietHours
from chroniccare.notifications.rules_categories import CATEGORIES, Category


def effective(
    stored: Stored, opt_outs: Sequence[OptOut], *, now: datetime, clinic: QuietHours
) -> dict[str, Any]:
    """Return what a patient chose and what follows from it; see `schemas.Preferences`."""
    who = recipients.of_stored(stored)
    proxies = [(row, recipients.proxy_of(row)) for row in stored.proxies]
    suppressed = {(one.channel, one.address) for one in opt_outs}
    pack = packs.pack_of(who.country)
    return {
        "patient_id": stored.id,
        "version": stored.version,
        "reachable": stored.reachable,
        "language": stored.language,
        "time_zone": stored.time_zone,
        "country": who.country,
        "country_pack": pack.country,
        "channels": [one for one in stored.channels or () if one in rules.CHANNELS],
        "consents": consents(stored.consents),
        "quiet_hours": stored.preferences.get("quiet_hours"),
        "drug_names": stored.preferences.get("drug_names") is True,
        "effective_quiet_hours": [
            {**hours, "source": source} for source, hours in _quiet(who, pack, clinic)
        ],
        "outreach_hours": _outreach(pack.outreach),
        "categories": [
            _category(
                stored,
                who,
                name,
                proxies=[proxy for _, proxy in proxies],
                suppressed=suppressed,
                now=now,
            )
            for name in CATEGORIES
        ],
        "opt_outs": opt_outs,
        "related_persons": [_proxy(stored, row, one, suppressed, now) for row, one in proxies],
    }


def consents(settings: dict[str, Any]) -> dict[str, bool | None]:
    """Return what is on record by channel: anything but a truth value counts as a no."""
    return {
        channel: settings[channel] is True if channel in settings else None
        for channel in rules.CHANNELS
    }


def _category(
    stored: Stored, who: rules.Recipient, category: Category, *, proxies: Sequence[rules.Proxy],
    suppressed: rules.Suppressions, now: datetime,
) -> dict[str, Any]:  # fmt: skip
    choice = who.choice(category)
    standing_in = rules.stands_in(proxies, category, now, suppressed)
    general = None
    if not stored.reachable:
        general = "patient_inactive"
    elif standing_in:
        general = "goes_to_proxy"
    return {
        "category": category,
        "enabled": choice.enabled,
        "channels": choice.channels,
        "by_channel": _by_channel(who, category, suppressed, general),
        "goes_to": [proxy.id for proxy in standing_in],
    }


def _proxy(
    stored: Stored, row: dict[str, Any], proxy: rules.Proxy, suppressed: rules.Suppressions,
    now: datetime,
) -> dict[str, Any]:  # fmt: skip
    general = None
    if not stored.reachable:
        general = "patient_inactive"
    elif not proxy.is_current(now):
        general = "proxy_inactive"
    return {
        "id": proxy.id,
        "name": row["name"],
        "relationship": row["relationship"],
        "receives": proxy.receives,
        "is_current": proxy.is_current(now),
        "country": proxy.recipient.country,
        "categories": [
            {
                "category": category,
                "by_channel": _by_channel(proxy.recipient, category, suppressed, general),
            }
            for category in CATEGORIES
            if category in row["categories"]
        ],
    }


def _by_channel(
    who: rules.Recipient, category: Category, suppressed: rules.Suppressions, general: str | None
) -> list[dict[str, Any]]:
    wanted = rules.wanted(who, category)
    channels = [*wanted, *(one for one in rules.CHANNELS if one not in wanted)]
    reasons = {one: general or rules.refusal(who, category, one, suppressed) for one in channels}
    for one in channels[len(wanted) :]:  # may be used, and is tried for nothing
        reasons[one] = reasons[one] or "channel_not_wanted"
    return [
        {"channel": one, "allowed": reason is None, "reason": reason}
        for one, reason in reasons.items()
    ]


def _quiet(
    who: rules.Recipient, pack: packs.Pack, clinic: QuietHours
) -> list[tuple[str, dict[str, str]]]:
    sources = (("clinic", clinic), ("law", pack.quiet), ("patient", who.own_quiet))
    return [
        (source, _hours(hours.start, hours.end))
        for source, hours in sources
        if hours is not None and hours.start != hours.end
    ]


def _outreach(outreach: packs.Outreach) -> dict[str, Any]:
    days = {name: getattr(outreach, name) for name in ("weekdays", "saturday", "sunday")}
    shown = {name: None if hours is None else _hours(*hours) for name, hours in days.items()}
    return {**shown, "on_holidays": outreach.holidays is None}


def _hours(start: time, end: time) -> dict[str, str]:
    return {"start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}
