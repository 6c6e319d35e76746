"""What a patient would read, before anybody does."""

from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from chroniccare.core.errors import Invalid, NotFound
from chroniccare.core.time import to_instant, to_local, zone
from chroniccare.notifications.rules import ANSWERED_BY_LINK
from chroniccare.notifications.rules_categories import INVITING, category_of
from chroniccare.notifications.templates import (
    actions,
    active,
    built_in,
    engine,
    kinds,
    lint,
    making,
    queries,
    segments,
)
from chroniccare.notifications.templates.rules import LANGUAGES
from chroniccare.notifications.templates.schemas import FactsWrite, PreviewWrite
from chroniccare.notifications.templates.text import Facts, Source, Text
from chroniccare.platform.postgres import Tx

_AHEAD = timedelta(days=7)
_AT = time(9, 30)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at: `source` as it was written, and `version_id` if it is a clinic's own."""

    origin: str
    locale: str
    source: Source
    version_id: UUID | None = None


async def preview(tx: Tx, body: PreviewWrite) -> dict[str, Any]:
    """Return what a text says of example facts, what it costs, and what is wrong with it.

    Raises:
        Invalid: both a source and a version are given.
        NotFound: no such version for this type and channel.
    """
    subject = await _subject(tx, body)
    policy = actions.in_use(await actions.policy(tx))
    found = lint.findings(
        body.notification_type, body.channel, subject.locale, subject.source, policy
    )
    text = _rendered(body, subject, policy, tx.now)
    return {
        "origin": subject.origin,
        "locale": subject.locale,
        "version_id": subject.version_id,
        "source": subject.source,
        "subject": text and text.subject,
        "text": text and text.body,
        "html": text and text.html,
        "sms": _sms(text, tx.settings.sms_segment_price) if body.channel == "sms" else None,
        "findings": found,
    }


def types() -> dict[str, Any]:
    """Return every type of message with its variables and built-in texts, by channel."""
    return {
        "filters": sorted(engine.FILTERS),
        "types": [
            {
                "notification_type": kind.name,
                "meaning": kind.meaning,
                "channels": [_channel(kind, channel) for channel in kinds.CHANNELS],
            }
            for kind in kinds.KINDS.values()
        ],
    }


def _channel(kind: kinds.Kind, channel: str) -> dict[str, Any]:
    shown = kinds.allowed(kind.name, channel, "text")
    short = kinds.allowed(kind.name, channel, "subject")
    return {
        "channel": channel,
        "variables": [
            {
                "name": name,
                "meaning": kinds.VARIABLES[name].meaning,
                "example": kinds.VARIABLES[name].example,
                "optional": kinds.VARIABLES[name].optional,
                "in_subject": channel == "email" and name in short,
            }
            for name in shown
        ],
        "built_in": [
            {"locale": language, "subject": source.subject, "text": source.text}
            for language in LANGUAGES
            for source in [built_in.source(kind.name, channel, language)]
        ],
    }


async def _subject(tx: Tx, body: PreviewWrite) -> Subject:
    kind, channel = body.notification_type, body.channel
    if body.source is not None:
        if body.version_id is not None:
            raise Invalid.field("version_id", "leave it out, or the source", "unused")
        given = body.source
        return Subject("source", body.locale, Source(given.text, given.subject, given.html))
    if body.version_id is not None:
        found = await tx.one(queries.GET_VERSION_FOR, body.version_id, kind, channel)
        if found is None:
            raise NotFound("No such version of this type and channel.")
        source = Source(found.text, found.subject, found.html)
        return Subject("version", found.locale, source, body.version_id)
    return await _sent_now(tx, kind, channel, body.locale)


async def _sent_now(tx: Tx, kind: str, channel: str, tag: str) -> Subject:
    """Return what a patient who reads `tag` would be sent now."""
    chosen = making.choose(kind, channel, tag, await active.load(tx, [kind]))
    if chosen.version_id is None:
        source = built_in.source(kind, channel, chosen.locale)
        return Subject("built_in", chosen.locale, source)
    [written] = await tx.all(queries.WRITTEN, [chosen.version_id])
    source = Source(written.text, written.subject, written.html)
    return Subject("active", chosen.locale, source, chosen.version_id)


def _rendered(
    body: PreviewWrite, subject: Subject, policy: making.Policy, now: datetime
) -> Text | None:
    """Return the text of the example; None for what is no template, or would not be one here."""
    kind, channel, source = body.notification_type, body.channel, subject.source
    if any(
        engine.faults(part, kinds.allowed(kind, channel, name)) for name, part in lint.parts(source)
    ):
        return None
    template = engine.compiled(source, locale=subject.locale, version_id=subject.version_id)
    facts = replace(_facts(body.facts, now), opt_out=category_of(kind) == INVITING)
    if (
        kind in ANSWERED_BY_LINK
        and channel != "email"
        and "link" not in body.facts.model_fields_set
    ):
        facts = replace(facts, link=None)  # as it is sent unless the clinic asks for answers
    return making.rendered(template, channel, facts, policy)


def _facts(given: FactsWrite, now: datetime) -> Facts:
    """Return the example facts with what was given in their place; null takes one away."""
    home = zone(given.time_zone, field="facts.time_zone")
    starts_at = given.starts_at
    if starts_at is None:
        starts_at = to_instant(to_local(now, home).date() + _AHEAD, _AT, home)
    until = given.until or starts_at - timedelta(hours=20)
    asked = given.model_fields_set
    facts = replace(
        lint.EXAMPLE, starts_at=to_local(starts_at, home), until=to_local(until, home),
        now=to_local(now, home),
    )  # fmt: skip
    own: dict[str, Any] = {
        "first_name": given.first_name, "facility_name": given.clinic,
        "provider_name": given.provider, "join": given.join_link, "link": given.link,
        "medication": given.medication, "credentials": tuple(given.credentials),
    }  # fmt: skip
    names = {"facility_name": "clinic", "provider_name": "provider", "join": "join_link"}
    return replace(
        facts, **{name: value for name, value in own.items() if names.get(name, name) in asked}
    )


def _sms(text: Text | None, price: float | None) -> dict[str, Any] | None:
    if text is None:
        return None
    count, plain = segments.count(text.body), segments.plain(text.body)
    cheaper = None if plain is None else segments.count(plain)
    return {
        "encoding": count.encoding,
        "units": count.units,
        "segments": count.segments,
        "left": count.left,
        "price": None if price is None else round(count.segments * price, 6),
        "characters": count.dear,
        "plain_text": plain if count.dear else None,
        "plain_segments": cheaper.segments if cheaper is not None and count.dear else None,
    }
