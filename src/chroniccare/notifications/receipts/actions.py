"""Callbacks: who sent it, what it says, stored. What follows is done by the loop (`applying`)."""

import asyncio
import binascii
import hmac
import logging
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from pydantic import ValidationError

from chroniccare.core.errors import FieldError, Forbidden, Invalid, Unauthenticated, Unavailable
from chroniccare.core.ids import new_id
from chroniccare.notifications.receipts import queries, rules, rules_events, schemas
from chroniccare.notifications.spend.rules import micros_of
from chroniccare.platform.crypto import BadCertificate, public_key, signed_by
from chroniccare.platform.fetch import FetchError, fetch
from chroniccare.platform.postgres import begin_system, database
from chroniccare.settings import topics

log = logging.getLogger(__name__)

LOOP = "receipts"
_MOST_KEYS = 32


class NotGenuine(Unauthenticated):
    """The signature is not that of whoever may tell us, or it is too old."""

    code = "NOT_GENUINE"
    message = "The signature is missing, forged or too old."


class NotOurTopic(Forbidden):
    """Genuine or not, nobody asked for it."""

    code = "NOT_OUR_TOPIC"
    message = "Messages of this topic are not taken: see CHRONICCARE_SNS_TOPICS."


class NotSetUp(Forbidden):
    """There is no secret with which a gateway could sign."""

    code = "NOT_SET_UP"
    message = "Callbacks of a gateway are not taken: see CHRONICCARE_RECEIPTS_SECRET."


@dataclass(slots=True)
class Keys:
    """Keys of the certificates that were fetched, for the life of the process."""

    known: dict[str, Any] = field(default_factory=dict)
    fetching: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))

    async def get(self, url: str) -> Any:
        """Return the key of the certificate at `url`, which must be of a trusted host.

        Raises:
            NotGenuine: there is no such certificate.
            Unavailable: it cannot be fetched just now.
        """
        if url in self.known:
            return self.known[url]
        async with self.fetching:
            if url not in self.known:
                try:
                    key = public_key(await fetch(url))
                except BadCertificate:
                    raise NotGenuine from None
                except FetchError as error:
                    raise (NotGenuine if error.refused else Unavailable) from None
                if len(self.known) >= _MOST_KEYS:
                    self.known.clear()
                self.known[url] = key
        return self.known[url]


_keys = Keys()


async def take_sns(body: bytes) -> None:
    """Take one message as SNS posts it; see docs/receipts.md.

    Raises:
        Invalid: it is not such a message.
        NotOurTopic: of a topic that is not ours.
        NotGenuine: not signed by Amazon, or older than a day.
        Unavailable: the certificate cannot be fetched, or the database is away: SNS tries again.
    """
    envelope = _document(body)
    settings = database().settings
    topic = envelope.get("TopicArn")
    if not isinstance(topic, str) or topic not in topics(settings):
        raise NotOurTopic
    await _check_sns(envelope, settings.sns_simulator_url)
    if envelope["Type"] == "Notification":
        await store(_events_in(envelope["Message"]))
    elif envelope["Type"] == "SubscriptionConfirmation":
        url = envelope["SubscribeURL"]
        if not rules.of_aws(url, settings.sns_simulator_url):
            raise NotGenuine
        try:
            await fetch(url)
        except FetchError:
            raise Unavailable from None
        log.info("subscribed to a topic of receipts")
    else:
        log.warning("a topic of receipts was unsubscribed: nothing more will be heard from it")


async def _check_sns(envelope: dict[str, Any], simulator: str) -> None:
    text, url = rules.signed_text(envelope), envelope.get("SigningCertURL")
    version = envelope.get("SignatureVersion")
    at = rules_events.as_instant(envelope.get("Timestamp"))
    if text is None or version not in {"1", "2"} or at is None:
        raise Invalid.field("body", "is not a message of SNS", "sns")
    if not isinstance(url, str) or not rules.of_aws(url, simulator):
        raise NotGenuine
    try:
        signature = b64decode(str(envelope.get("Signature")), validate=True)
    except (binascii.Error, ValueError):
        raise NotGenuine from None
    if not signed_by(await _keys.get(url), signature, text, version=version):
        raise NotGenuine
    _check_age(at, rules.SNS_TOLERANCE)


def _check_age(at: datetime, tolerance: timedelta) -> None:
    now = database().clock()
    if not now - tolerance <= at <= now + rules.HTTP_TOLERANCE:
        raise NotGenuine


def _events_in(message: str) -> list[rules.Receipt]:
    """Return the receipts in a genuine message; a test message of AWS holds none."""
    try:
        found = orjson.loads(message)
    except orjson.JSONDecodeError:
        return []
    return _read(found if isinstance(found, list) else [found])


def _read(events: Iterable[Any]) -> list[rules.Receipt]:
    return [receipt for event in events if (receipt := rules_events.read(event)) is not None]


async def take_http(body: bytes, *, timestamp: str, signature: str) -> None:
    """Take the receipts of a gateway, or events of AWS that a forwarder passes on.

    Raises:
        NotSetUp: no secret is set.
        NotGenuine: not signed with it, or more than five minutes from now.
        Invalid: signed, but not as docs/receipts.md says.
    """
    secret = database().settings.receipts_secret.get_secret_value()
    if not secret:
        raise NotSetUp
    wanted = rules.http_signature(secret, timestamp, body)
    if not hmac.compare_digest(wanted.encode(), signature.encode()):
        raise NotGenuine
    at = rules_events.as_unix(timestamp)
    if at is None:
        raise NotGenuine
    _check_age(at, rules.HTTP_TOLERANCE)
    try:
        callback = schemas.Callback.model_validate_json(body)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        details = [
            FieldError(".".join(map(str, one["loc"])) or "body", one["msg"], one["type"])
            for one in found
        ]
        raise Invalid(details=details) from None
    await store([*map(_of_gateway, callback.receipts), *_read(callback.events)])


def _of_gateway(told: schemas.GatewayReceipt) -> rules.Receipt:
    parts = (told.id,) if told.id else (told.reference, told.message_id, told.status,
                                        told.occurred_at)  # fmt: skip
    return rules.Receipt(
        "http", told.status, rules.event_id(*parts), told.reference, told.message_id, told.code,
        told.occurred_at, told.segments, micros_of(told.price),
    )  # fmt: skip


def _document(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Invalid.field("body", "is not valid JSON", "json") from None
    if not isinstance(found, dict):
        raise Invalid.field("body", "must be an object", "json")
    return found


async def store(receipts: list[rules.Receipt]) -> None:
    """Store receipts, whosever they are, before anything follows from them; known ones again not.

    Raises:
        Unavailable: they are not stored; whoever sent them must send them again.
    """
    if not receipts:
        return
    rows = [
        {
            "id": new_id(),
            "driver": receipt.driver,
            "event_id": receipt.event_id,
            "kind": receipt.kind,
            "attempt_id": receipt.attempt_id,
            "provider_message_id": receipt.provider_id,
            "code": receipt.code,
            "occurred_at": receipt.occurred_at,
            "segments": receipt.segments,
            "micros": receipt.micros,
        }
        for receipt in receipts
    ]
    async with begin_system(LOOP) as tx:
        await tx.run(queries.STORE, rows, tx.now)
        tx.wake(LOOP)
