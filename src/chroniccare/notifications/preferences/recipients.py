"""Rows of the database as recipients."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from chroniccare.notifications import rules as messages
from chroniccare.notifications.preferences import rules
from chroniccare.notifications.preferences.queries import Stored
from chroniccare.notifications.queries import Reach
from chroniccare.notifications.queries_due import Due
from chroniccare.notifications.rules_categories import Topic, category_of, is_known


def of_due(due: Due) -> rules.Recipient:
    """Return who receives a claimed message.

    Of a file's row all is known that the file said; an answer goes where the question came from.
    """
    consents = {} if due.notification_type in messages.ANSWERED_ANYWAY else due.consents or {}
    said: dict[str, str] | None = due.template_data.get("recipient")
    if due.patient_id is None or said is not None:
        contacts = [
            {"system": system, "value": value} for system, value in (said or {}).items() if value
        ]
        return rules.patient(
            time_zone=due.time_zone or "UTC", channels=due.channel_plan, consents=consents,
            contacts=contacts, address_country=None, stored={},
        )  # fmt: skip
    if due.related_person_id is not None:
        return rules.related_person(
            time_zone=due.time_zone or "UTC", channels=due.channels, consents=consents,
            contacts=due.contacts, address_country=due.address_country,
            categories=due.categories or (),
        )  # fmt: skip
    return rules.patient(
        time_zone=due.time_zone or "UTC", channels=due.channels, consents=consents,
        contacts=due.contacts, address_country=due.address_country, stored=due.preferences or {},
    )  # fmt: skip


def proxies_of_due(due: Due) -> list[rules.Proxy]:
    """Return who may receive a claimed message in the patient's place."""
    return [proxy_of(one) for one in due.proxies]


def proxy_of(row: dict[str, Any]) -> rules.Proxy:
    """Return the related person of a document of `queries_recipients.PROXY`."""
    who = rules.related_person(
        time_zone=row["time_zone"], channels=row["channels"], consents=row["consents"],
        contacts=row["contacts"], address_country=row["address_country"],
        categories=row["categories"],
    )  # fmt: skip
    start, end = row["period_start"], row["period_end"]
    return rules.Proxy(
        row["id"], who, row["receives"], row["is_active"],
        date.fromisoformat(start) if start else None, date.fromisoformat(end) if end else None,
    )  # fmt: skip


def up_to_date(due: Due) -> Due:
    """Return the message with the channels that its recipient wants by now, if none was tried yet.

    What was planned and is not wanted any more stays at the end, so that it can be told why it is
    passed over.
    """
    if due.attempt_id is not None or not _has_choice(due):
        return due
    who, category = of_due(due), category_of(due.notification_type)
    planned, chosen = due.channel_plan, rules.chosen(who, category)
    first = chosen or planned
    also = [one for one in rules.wanted(who, category) if one not in first]
    plan = [
        one
        for one in [*first, *also]
        if one in planned or rules.refusal(who, category, one) is None
    ]
    plan += [one for one in planned if one not in plan]
    return due if plan == planned else replace(due, channel_plan=plan, channel=plan[0])


def _has_choice(due: Due) -> bool:
    return (
        due.patient_id is not None
        and "recipient" not in due.template_data
        and is_known(due.notification_type)
    )


def afresh(due: Due) -> Due:
    """Return the message as if nothing had been tried, with the plan that it would have today."""
    plan = messages.wanted_channels(None)
    if _has_choice(due):
        plan = rules.wanted(of_due(due), category_of(due.notification_type))
    return replace(
        due, channel_plan=plan, channel=plan[0], attempt_id=None, attempt_status=None, tries=0
    )


def last_look(due: Due, channel: str, now: datetime) -> tuple[Topic, bool, date]:
    """Return what `queries_due.START` asks besides: category, need of a consent, local day."""
    who, category = of_due(due), category_of(due.notification_type)
    return (
        category, rules.needs_opt_in(who, category, channel), rules.local_day(now, who.time_zone)
    )  # fmt: skip


def of_stored(stored: Stored) -> rules.Recipient:
    """Return a patient whose preferences are shown or changed."""
    return rules.patient(
        time_zone=stored.time_zone, channels=stored.channels, consents=stored.consents,
        contacts=stored.contacts, address_country=stored.address_country,
        stored=stored.preferences,
    )  # fmt: skip


def of_reach(reach: Reach) -> rules.Recipient:
    """Return the recipient that a message is planned for."""
    if reach.categories is not None:
        return rules.related_person(
            time_zone=reach.time_zone, channels=reach.preferred, consents=reach.consents,
            contacts=reach.contacts, address_country=reach.address_country,
            categories=reach.categories,
        )  # fmt: skip
    return rules.patient(
        time_zone=reach.time_zone, channels=reach.preferred, consents=reach.consents,
        contacts=reach.contacts, address_country=reach.address_country, stored=reach.preferences,
    )  # fmt: skip


def key(own: str, reach: Reach) -> str:
    """Return the dedupe key of a related person's message: the patient's `own`, extended."""
    return f"{own}:{reach.related_person_id}"
