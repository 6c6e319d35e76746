"""Calendar feeds: make, list, revoke, read."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

import orjson

from chroniccare.audit.actions import record
from chroniccare.audit.reads import note_read
from chroniccare.core import paging, wire
from chroniccare.core.caller import Caller
from chroniccare.core.errors import NotFound
from chroniccare.core.ids import new_id
from chroniccare.notifications import ics
from chroniccare.notifications.templates.rules import language_of
from chroniccare.platform.postgres import Tx, begin
from chroniccare.scheduling.calendars import queries, rules
from chroniccare.scheduling.queries import EXISTS
from chroniccare.settings import Settings, address

Party = Literal["patient_id", "provider_id"]
ACTOR = "calendar_feed"
"""What the audit calls a feed that is read; `user_id` is then the feed's id."""


class NoCalendar(NotFound):
    """Forged, unknown or revoked, or of somebody who is not there any more: all answer the same."""

    message = "No such calendar."


@dataclass(frozen=True, slots=True)
class Calendar:
    """A feed as it is answered."""

    data: bytes
    etag: str


async def create(tx: Tx, field: Party, party_id: UUID) -> queries.CalendarFeed:
    """Make a feed of the visits of a patient or provider (`field`).

    Raises:
        NotFound: no such patient or provider.
    """
    feed = await tx.one(
        queries.INSERT[field], new_id(), tx.caller.tenant_id, party_id, tx.caller.actor_id, tx.now
    )
    if feed is None:
        raise NotFound
    await record(
        tx, action="create", entity_type="calendar_feed", entity_id=feed.id, before=None, after=feed
    )
    return feed


def with_url(data: bytes, settings: Settings, tenant_id: UUID) -> bytes:
    """Return a rendered feed with its address, which stands nowhere else."""
    feed = orjson.loads(data)
    made = rules.Address(tenant_id, UUID(feed["id"]))
    secret = rules.token(made, settings.key_pepper.get_secret_value())
    return wire.dumps({**feed, "url": f"{address(settings)}/calendars/{secret}.ics"})


async def revoke(tx: Tx, feed: queries.CalendarFeed) -> queries.CalendarFeed:
    """End `feed`, which this transaction has locked; ending it again changes nothing."""
    if feed.revoked_at is not None:
        return feed
    revoked = await tx.one(queries.REVOKE, feed.id, tx.now)
    if revoked is None:
        raise NotFound
    await record(
        tx, action="revoke", entity_type="calendar_feed", entity_id=feed.id, before=feed,
        after=revoked,
    )  # fmt: skip
    return revoked


async def get(tx: Tx, feed_id: UUID) -> queries.CalendarFeed:
    """Return one feed.

    Raises:
        NotFound: none with this id in the caller's tenant.
    """
    feed = await tx.one(queries.GET, feed_id)
    return _found(feed)


async def get_locked(tx: Tx, feed_id: UUID) -> queries.CalendarFeed:
    """Return one feed and lock its row; see `get`."""
    feed = await tx.one(queries.GET_FOR_UPDATE, feed_id)
    return _found(feed)


async def search(
    tx: Tx, field: Party, party_id: UUID, *, cursor: str | None, limit: int
) -> paging.Page[queries.CalendarFeed]:
    """Return one page of the feeds of a patient or provider, the oldest first.

    Raises:
        NotFound: no such patient or provider.
    """
    listing, filters = "calendar-feeds", [field, party_id]
    after = paging.decode(cursor, listing, filters, [UUID]) or [None]
    if not await tx.value(EXISTS[field], party_id):
        raise NotFound
    rows = await tx.all(queries.LIST[field], party_id, *after, limit + 1)
    return paging.page(rows, limit, listing=listing, filters=filters, key=lambda row: [row.id])


def reader(token: str, pepper: str, *, request_id: str, ip_address: str | None) -> Caller:
    """Return the feed behind the secret part of an address, as the caller that it is.

    Raises:
        NoCalendar: we gave out no such address.
    """
    found = rules.opened(token, pepper)
    if found is None:
        raise NoCalendar
    return Caller(
        found.tenant_id, found.feed_id, ACTOR, request_id=request_id, ip_address=ip_address
    )


async def read(caller: Caller) -> Calendar:
    """Return the calendar of the feed that `caller` is; the read is audited.

    Raises:
        NoCalendar: revoked, or patient, provider or clinic are not active any more.
    """
    feed_id = caller.actor_id
    async with begin(caller) as tx:
        feed = await tx.one(queries.OPEN, feed_id)
        if feed is None:
            raise NoCalendar
        of, whose = (
            (queries.VISITS_OF_PATIENT, feed.patient_id)
            if feed.patient_id is not None
            else (queries.VISITS_OF_PROVIDER, feed.provider_id)
        )
        since, until = tx.now - rules.BEHIND, tx.now + rules.AHEAD
        entries = await tx.all(of, whose, since, until, tx.now, rules.MOST)
        hour = _hour(tx.now)
        if feed.last_read_at is None or feed.last_read_at < hour:
            await tx.run(queries.NOTE_READ, feed_id, hour)
    await note_read(caller, entity_type="calendar_feed", seen=[str(feed_id)])
    language = language_of(feed.language)
    data = ics.feed(entries, language=language, details=feed.details)
    return Calendar(data, rules.tag(data))


def _hour(at: datetime) -> datetime:
    return datetime(at.year, at.month, at.day, at.hour, tzinfo=UTC)


def _found(feed: queries.CalendarFeed | None) -> queries.CalendarFeed:
    if feed is None:
        raise NotFound("No such calendar feed.")
    return feed
