"""Subscriptions: made, changed, removed and told of, on the endpoints of webhooks."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chroniccare.audit.actions import record
from chroniccare.core.caller import Caller
from chroniccare.core.errors import Forbidden, Invalid, NotFound, Unprocessable
from chroniccare.core.ids import new_id
from chroniccare.fhir import asking, outcome
from chroniccare.fhir.actions import base_of
from chroniccare.fhir.kind import Check, Resource
from chroniccare.fhir.registry import KINDS, granted_to, is_program, opened
from chroniccare.fhir.subscriptions import notifying, queries, rules
from chroniccare.fhir.validation import parse
from chroniccare.platform import public_hosts
from chroniccare.platform.postgres import Tx
from chroniccare.platform.public_hosts import EgressError
from chroniccare.settings import Settings
from chroniccare.webhooks import (
    endpoints,
    queries_deliveries,
    queries_endpoints,
    relaying,
    sealing,
    signing,
)

NAME = "Subscription"
ENTITY = "subscription"
MOST_EVENTS = 1000
"""Most events that `$events` tells of at once."""
_READ, _WRITE = "webhooks:read", "webhooks:write"
_OFF = "off"
_PLACES = {"url": "Subscription.channel.endpoint"}
_LEFT = frozenset({"id", "meta", "status", "error"})
"""What the server says itself."""


def check(caller: Caller, letter: str) -> None:
    """Check that the caller may do what a letter of `cruds` says.

    Raises:
        Forbidden: not with subscriptions, or with some of them only.
    """
    scopes = caller.smart_scopes
    if scopes and granted_to(caller, scopes, NAME, letter) != "all":
        raise Forbidden
    if not is_program(caller) and (_READ if letter in "rs" else _WRITE) not in caller.scopes:
        raise Forbidden


async def read_body(body: bytes, settings: Settings) -> tuple[Resource, str]:
    """Return a valid Subscription and where it leads; its host is resolved, so outside of a Tx.

    Raises:
        Invalid: it is none, or asks for what is not done here; everything is named.
        Unprocessable: nothing may be sent there.
    """
    said = parse(NAME, body, us_core=settings.fhir_us_core)
    found = rules.faults(said)
    if found:
        raise Invalid(details=found)
    try:
        to = await public_hosts.check(
            said["channel"]["endpoint"], anywhere=settings.webhook_targets == "any"
        )
    except EgressError as error:
        raise Unprocessable.field(_PLACES["url"], error.reason, error.code) from None
    return said, to.url


def _chosen(tx: Tx, criteria: str) -> tuple[str | None, tuple[str, ...]]:
    """Return topic and events of criteria that the caller may be told of.

    Raises:
        Invalid: they cannot be evaluated.
        Forbidden: the caller may not see all of what they find.
    """
    topic = rules.topic_of(base_of(tx), criteria)
    name, _, query = criteria.partition("?")
    name = name if topic is None else rules.TOPICS[topic].type
    if name not in rules.EVENTS:
        able = ", ".join(rules.EVENTS)
        reason = f"must be a topic, or a search of {able}"
        raise Invalid.field("Subscription.criteria", reason, "not-supported")
    kind = KINDS[name]
    for letter in "rs":
        if opened(tx.caller, kind, letter):
            raise Forbidden  # what the parameters of a scope leave out must not be told
    if topic is not None:
        return topic, rules.TOPICS[topic].events
    ask = asking.read(kind, KINDS, asking.pairs_of(query), strict=True)
    if not asking.is_plain(ask):
        reason = "takes parameters of the type itself: no chain, include, sort or page"
        raise Invalid.field("Subscription.criteria", reason, "not-supported")
    return None, rules.EVENTS[name]


async def create(tx: Tx, said: Resource, *, url: str) -> Resource:
    """Make a subscription and ask its endpoint whether it listens; the secret is told this once.

    Raises:
        Unprocessable: the clinic has too many.
    """
    if await tx.value(queries_endpoints.COUNT) >= endpoints.MOST:
        reason = f"there are {endpoints.MOST} webhooks and subscriptions already"
        raise Unprocessable.field(NAME, reason, "too-costly")
    topic, events = _chosen(tx, said["criteria"])
    document = rules.kept(_written(said), None)
    subscription_id, secret = new_id(), signing.new_secret("hmac")
    stored = await sealing.seal(tx, secret, endpoint_id=subscription_id, column="secret")
    await tx.run(
        queries.INSERT_ENDPOINT, subscription_id, tx.caller.tenant_id, url, list(events), stored,
        tx.now,
    )  # fmt: skip
    document_ = await notifying.sealed(tx, subscription_id, document)
    await tx.run(
        queries.INSERT, subscription_id, tx.caller.tenant_id, topic, document_, _by(tx.caller)
    )
    await _handshake(tx, subscription_id)
    row = await get(tx, subscription_id)
    await _audit(tx, "create", subscription_id, None, row)
    made = await told(tx, row)
    extension = {"url": rules.TOLD_ONCE, "valueString": secret}
    return {**made, "channel": {**made["channel"], "extension": [extension]}}


async def update(tx: Tx, text: str, said: Resource, *, url: str, check_: Check) -> Resource:
    """Replace a subscription; `off` stops it, anything else has it go on.

    It is verified anew when it leads elsewhere, or had stopped; meanwhile it is told nothing.

    Raises:
        NotFound, Gone: it is not there.
        Invalid: it has another id.
        Unprocessable: it leads to another server, and hides a header's value from itself.
        PreconditionFailed: `check_` says that somebody changed it.
    """
    if said.get("id") != text:
        raise Invalid.field("Subscription.id", "must be the id in the address", "value")
    row = await _locked(tx, text)
    check_(row.version)
    before = await notifying.document_of(tx, row)
    topic, events = _chosen(tx, said["criteria"])
    document = rules.kept(_written(said), before)
    is_on = said["status"] != _OFF
    anew = is_on and (not row.enabled or row.is_orphan or url != row.url)
    await tx.run(
        queries.UPDATE, row.id, topic, await notifying.sealed(tx, row.id, document),
        _by(tx.caller),
    )  # fmt: skip
    await tx.run(queries.UPDATE_ENDPOINT, row.id, url, list(events), is_on, anew, tx.now)
    if not is_on:
        await tx.run(queries_deliveries.PARK, row.id, tx.now)
    if anew:
        await _handshake(tx, row.id)
    changed = await get(tx, row.id)
    await _audit(tx, "update", row.id, row, changed)
    return await told(tx, changed)


async def delete(tx: Tx, text: str, *, check_: Check) -> None:
    """Remove a subscription; its secrets are forgotten. One that is gone stays gone.

    Raises:
        NotFound: there never was one.
        PreconditionFailed: `check_` says that somebody changed it.
    """
    try:
        row = await _locked(tx, text)
    except outcome.Gone:
        return
    check_(row.version)
    await tx.run(queries_deliveries.PARK, row.id, tx.now)
    await tx.run(queries_endpoints.DELETE, row.id, tx.now)
    await tx.run(queries.FORGET, row.id)
    await _audit(tx, "delete", row.id, row, None)


def _by(caller: Caller) -> UUID | None:
    """Return whose end is the subscription's, too: a key or a SMART client, no member of staff."""
    return None if caller.actor_type == "staff" else caller.actor_id


async def _handshake(tx: Tx, subscription_id: UUID) -> None:
    """Ask the endpoint whether it listens: its first answer of 2xx makes it active."""
    event_id = new_id()
    seq = await tx.value(
        queries_endpoints.PING, event_id, tx.caller.tenant_id, subscription_id, {}, tx.now
    )
    event = queries_deliveries.Event(
        event_id, "webhook.ping", "webhook", subscription_id, seq, tx.now, {}
    )
    await relaying.add(tx, [{**relaying.row(subscription_id, event), "entity_id": event_id}])


async def get(tx: Tx, subscription_id: UUID) -> queries.Subscription:
    """Return one subscription.

    Raises:
        NotFound: none with this id in the caller's clinic.
        Gone: it was removed.
    """
    row = await tx.one(queries.GET, tx.now, subscription_id)
    if row is not None:
        return row
    raise outcome.Gone if await tx.value(queries.GONE, subscription_id) else NotFound


def id_of(text: str) -> UUID:
    """Return the id in an address.

    Raises:
        NotFound: it is none.
    """
    try:
        return UUID(text)
    except ValueError:
        raise NotFound from None


async def _locked(tx: Tx, text: str) -> queries.Subscription:
    await tx.value(queries.LOCK, id_of(text))
    return await get(tx, id_of(text))


def status(row: queries.Subscription) -> str:
    """Return the state: requested until the endpoint answers, then active; error while it fails."""
    if not row.enabled or row.is_orphan:
        return _OFF
    if row.failing_since is not None:
        return "error"
    return "requested" if row.verified_at is None else "active"


def _written(said: Resource) -> Resource:
    return {name: value for name, value in said.items() if name not in _LEFT}


async def told(tx: Tx, row: queries.Subscription) -> Resource:
    """Return the resource; values of headers are hidden."""
    document = rules.hidden(await notifying.document_of(tx, row))
    meta = {"versionId": str(row.version), "lastUpdated": row.updated_at}
    head = {"resourceType": NAME, "id": str(row.id), "meta": meta, "status": status(row)}
    found = {**head, **{name: one for name, one in document.items() if name != "resourceType"}}
    if head["status"] in {"error", _OFF} and row.disabled_reason != "by_hand":
        found["error"] = await _error(tx, row)
    return found


async def _error(tx: Tx, row: queries.Subscription) -> str:
    last = await tx.value(queries.ERROR, row.id) or "unknown"
    if row.is_orphan:
        return "The credential that wrote it last is not valid any more: write it with another."
    if row.enabled:
        return f"The last attempt failed ({last}); it is tried again."
    return f"Given up ({row.disabled_reason}, {last}): write it again to have it go on."


async def search(tx: Tx, wanted: Mapping[str, list[str]]) -> list[Resource]:
    """Return the subscriptions that match, the oldest first; there are few of a clinic."""
    found = []
    for row in await tx.all(queries.LIST, tx.now):
        one = await told(tx, row)
        values = {
            "_id": one["id"],
            "status": one["status"],
            "type": one["channel"]["type"],
            "url": one["channel"]["endpoint"],
            "payload": one["channel"].get("payload", ""),
            "criteria": one["criteria"],
        }
        if all(values[name] in among for name, among in wanted.items()):
            found.append(one)
    return found


async def state(tx: Tx, row: queries.Subscription) -> Resource:
    """Return what `$status` tells of one."""
    return rules.notification(
        base=base_of(tx), subscription_id=row.id, topic=row.topic, kind="query-status",
        status=status(row), total=row.numbered, events=[], told="empty",
    )  # fmt: skip


async def events(
    tx: Tx, row: queries.Subscription, *, since: int, until: int | None, content: str | None
) -> Resource:
    """Return what `$events` tells of: events of these numbers, as far as they are kept."""
    document = await notifying.document_of(tx, row)
    last = row.numbered if until is None else until
    past = await tx.all(queries.EVENTS, row.id, since, last, MOST_EVENTS)
    listed = [
        rules.Event(one.number, one.created_at, f"{rules.TYPES[one.entity_type]}/{one.entity_id}")
        for one in past
    ]
    base = base_of(tx)
    parameters = rules.notification(
        base=base, subscription_id=row.id, topic=row.topic, kind="query-event", status=status(row),
        total=row.numbered, events=listed, told=content or rules.content(document["channel"]),
    )  # fmt: skip
    return rules.bundle(base, parameters, at=tx.now)


async def _audit(tx: Tx, action: str, subscription_id: UUID, before: Any, after: Any) -> None:
    await record(
        tx, action=action, entity_type=ENTITY, entity_id=subscription_id,
        before=_logged(before), after=_logged(after),
    )  # fmt: skip


def _logged(row: queries.Subscription | None) -> dict[str, Any] | None:
    """Return what the audit has of a subscription: nothing that a client wrote in free text."""
    if row is None:
        return None
    return {"topic": row.topic, "enabled": row.enabled, "url": row.url, "version": row.version}
