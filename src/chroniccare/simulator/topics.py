"""Topics of SNS and a phone to answer with: signed messages, posted to an API as SNS posts them.

The signature is real, of a certificate that only this process has: an API takes it from here alone
if `CHRONICCARE_SNS_SIMULATOR_URL` says so, which production refuses.
"""

import asyncio
import time
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

import orjson

from chroniccare.notifications.receipts.rules import signed_text
from chroniccare.platform.crypto import Signer, signer
from chroniccare.platform.http import HttpError, Poster
from chroniccare.simulator.ledger import Ledger, Service
from chroniccare.simulator.receipts import TOPIC, through_sns
from chroniccare.simulator.server import Answer, Request

REPLIES = "arn:aws:sns:us-east-1:123456789012:chroniccare-replies"
NUMBER = "+12065550100"
"""The clinic's."""
_CERTIFICATE = "/sns/certificate.pem"
_CONFIRM = "/sns/confirm/"
PHONES = "/phones"
_TRIES = 3
_PAUSE_S = 1.0
_OK = 200
_LONGEST = 1600
_TO: dict[str, str] = {TOPIC: "/receipts/sns", REPLIES: "/inbound/sns"}


class NotTaken(Exception):  # noqa: N818  what it is, not what happened
    """The API did not take a message; the text says why, in a word."""


def _signer() -> Signer:
    return signer("sns.simulated", at=datetime.now(UTC))


@dataclass(slots=True)
class Topics:
    """Two topics, of receipts and of replies, to which the API at `api_url` is subscribed.

    Attributes:
        url: the simulator's own, where the certificate is; set when it runs.
        confirmed: topics whose subscription the API has confirmed; nothing is posted before.
    """

    api_url: str
    url: str = ""
    signer: Signer = field(default_factory=_signer)
    confirmed: set[str] = field(default_factory=set)
    posters: dict[str, Poster] = field(default_factory=dict)

    async def tell(self, service: Service, event: dict[str, Any]) -> None:
        """Publish a receipt of AWS's; other services have no topic."""
        if service in {"aws", "ses"}:
            await self.publish(TOPIC, event)

    async def publish(self, topic: str, event: dict[str, Any]) -> None:
        """Post an event to the subscriber of a topic, and again as SNS does.

        Raises:
            NotTaken: it was not taken at the third try.
        """
        message = through_sns(event, at_ms=int(time.time() * 1000), topic=topic)
        for left in range(_TRIES - 1, -1, -1):
            try:
                await self._subscribed(topic)
                await self._post(topic, message)
            except NotTaken:
                if not left:
                    raise
                await asyncio.sleep(_PAUSE_S)
            else:
                return

    async def _subscribed(self, topic: str) -> None:
        if topic in self.confirmed:
            return
        token = uuid4().hex
        message = through_sns({}, at_ms=int(time.time() * 1000), topic=topic)
        message |= {
            "Type": "SubscriptionConfirmation",
            "Message": "You have chosen to subscribe.",
            "Token": token,
            "SubscribeURL": f"{self.url}{_CONFIRM}{topic}",
        }
        await self._post(topic, message)
        if topic not in self.confirmed:
            raise NotTaken("the subscription was not confirmed")

    async def _post(self, topic: str, message: dict[str, Any]) -> None:
        signed = self.signed(message)
        if topic not in self.posters:
            self.posters[topic] = Poster(self.api_url.rstrip("/") + _TO[topic])
        try:
            answer = await self.posters[topic].post(orjson.dumps(signed))
        except HttpError as error:
            raise NotTaken(f"the API is {error.code}") from None
        if answer.status != _OK:
            code = answer.body.get("error", {}).get("code", "")
            raise NotTaken(f"the API answers {answer.status} {code}".rstrip())

    def signed(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return a message with our signature, and where its certificate is."""
        made = {**message, "SignatureVersion": "2", "SigningCertURL": self.url + _CERTIFICATE}
        signature = self.signer.sign(signed_text(made) or b"")
        return {**made, "Signature": b64encode(signature).decode()}

    async def close(self) -> None:
        """Close the connections."""
        for poster in self.posters.values():
            await poster.close()

    async def page(self, request: Request, ledger: Ledger) -> Answer | None:
        """Answer what is asked of SNS's own pages and of the phones; None: something else."""
        if request.path == _CERTIFICATE:
            return Answer(200, self.signer.certificate, "application/x-pem-file")
        if request.path.startswith(_CONFIRM):
            self.confirmed.add(unquote(request.path.removeprefix(_CONFIRM)))
            return Answer(200, b"<ok/>", "text/xml")
        if request.path != PHONES:
            return None
        if request.method == "GET":
            return Answer(200, orjson.dumps({"messages": _received(ledger)}))
        return await self._reply(request, ledger)

    async def _reply(self, request: Request, ledger: Ledger) -> Answer:
        """Send a text message from a phone to the clinic, as End User Messaging publishes it."""
        try:
            wanted = orjson.loads(request.body)
            sender, text = str(wanted["sender"]), str(wanted["text"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return _said(400, "needs sender and text")
        if not text.strip() or len(text) > _LONGEST:
            return _said(400, f"a text has 1 to {_LONGEST} characters")
        last = [one for one in ledger.reached if one.to == sender and one.service == "aws"]
        event = {
            "originationNumber": sender,
            "destinationNumber": NUMBER,
            "messageKeyword": text.split(maxsplit=1)[0].upper(),
            "messageBody": text,
            "inboundMessageId": str(uuid4()),
        }
        if last:
            event["previousPublishedMessageId"] = last[-1].message_id
        try:
            await self.publish(REPLIES, event)
        except NotTaken as error:
            return _said(502, str(error))
        return Answer(200, orjson.dumps({"id": event["inboundMessageId"]}))


def _said(status: int, text: str) -> Answer:
    return Answer(status, orjson.dumps({"error": text}))


def _received(ledger: Ledger) -> list[dict[str, Any]]:
    """Return what reached phones, in order."""
    return [
        {"to": one.to, "text": one.text, "at": one.at}
        for one in ledger.reached
        if one.service in {"aws", "sns", "http"}
    ]
