"""End User Messaging, SNS, SES and an SMS gateway behind one port, told apart as AWS's own are.

Each request is checked against AWS's published model before anything else: one that AWS would
refuse is refused here, and noted as a violation.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import orjson

from chroniccare.platform import aws_model
from chroniccare.simulator import devices
from chroniccare.simulator.account import Account
from chroniccare.simulator.faults import TAKEN, Fault, Kind, Plan
from chroniccare.simulator.ledger import Ledger, Service
from chroniccare.simulator.receipts import Receipts, Sent
from chroniccare.simulator.server import Answer, Misbehaviour, Request
from chroniccare.simulator.stack import Stack
from chroniccare.simulator.topics import Topics

EUM = "pinpoint-sms-voice-v2"
GATEWAY = "/gateway/messages"
_JSON = "application/x-amz-json-1.0"
_SILENT: Mapping[Kind, Misbehaviour] = {
    "hang": "hang",
    "hang_after": "hang",
    "reset_before": "reset",
    "reset_after": "reset",
    "close_after": "close",
}
_BROKEN: Mapping[Kind, Answer] = {
    "timeout": Answer(504, b"<html>gateway timeout</html>", "text/html"),
    "unavailable": Answer(503, b"<html>service unavailable</html>", "text/html"),
    "garble": Answer(200, b"\x00{"),
}


@dataclass(frozen=True, slots=True)
class Sending:
    """One message that a client wants sent."""

    service: Service
    operation: str
    attempt: str
    to: str
    text: str
    message_id: str = field(default_factory=lambda: str(uuid4()))


@dataclass(slots=True)
class Services:
    """Answers requests as the plan says, and notes what got through."""

    plan: Plan
    receipts: Receipts
    ledger: Ledger
    account: Account
    secret: str = ""
    topics: Topics | None = None
    stack: Stack | None = None

    async def handle(self, request: Request) -> Answer | Misbehaviour:
        """Answer a request."""
        if request.path == GATEWAY:
            return await self._gateway(request)
        if self.topics is not None:
            page = await self.topics.page(request, self.ledger)
            if page is not None:
                return page
        try:
            return await self._aws(request)
        except aws_model.WireError as error:
            self.ledger.violated(f"{request.headers.get('x-amz-target', request.path)}: {error}")
            return _ses_error("ValidationException", str(error), 400)

    async def _aws(self, request: Request) -> Answer | Misbehaviour:
        if self.stack is not None and (other := await self.stack.page(request)):
            return other
        if "x-amz-target" in request.headers:
            return await self._sms(request)
        if request.path.startswith("/v2/email/"):
            return await self._ses(request)
        return await self._sns(request)

    async def send(self, sending: Sending, answer: Answer, errors: Mapping[Kind, Answer]
                   ) -> Answer | Misbehaviour:  # fmt: skip
        """Do with a message what the plan says."""
        fault = await self.decide(sending)
        silent = _SILENT.get(fault.kind)
        if silent:
            return silent
        if fault.kind in TAKEN - {"timeout", "garble"}:
            return answer
        return errors.get(fault.kind) or _BROKEN[fault.kind]

    async def decide(self, sending: Sending) -> Fault:
        """Return what becomes of a message, after noting it and waiting as long as it takes."""
        fault = self.plan.next()
        self.ledger.called(sending.service, sending.operation, sending.attempt, fault.kind)
        delay_ms = self.plan.delay_ms + fault.ms
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000)
        if fault.kind in TAKEN:
            copies = 2 if fault.kind == "duplicate" else 1
            self.ledger.arrived(
                sending.service, sending.attempt, sending.to, sending.text, sending.message_id,
                copies=copies,
            )  # fmt: skip
            at_ms = int(time.time() * 1000)
            await self.receipts.about(
                Sent(sending.service, sending.attempt, sending.to, sending.message_id, at_ms)
            )
        return fault

    async def _sms(self, request: Request) -> Answer | Misbehaviour:
        prefix, _, operation = request.headers["x-amz-target"].partition(".")
        model = aws_model.model(EUM)
        if prefix != model.metadata["targetPrefix"] or operation not in model.operation_names:
            raise aws_model.WireError("no such target")
        self._signed(request, EUM)
        parameters = aws_model.parse_json(EUM, operation, request.body)
        if operation == "SendTextMessage":
            sending = Sending(
                "aws", operation, parameters.get("Context", {}).get("attempt", ""),
                parameters["DestinationPhoneNumber"], parameters["MessageBody"],
            )  # fmt: skip
            good = Answer(200, orjson.dumps({"MessageId": sending.message_id}), _JSON)
            return await self.send(sending, good, _SMS_ERRORS)
        self.ledger.called("aws", operation, "", "ok")
        if operation in self.account.denied:
            return _SMS_ERRORS["denied"]
        found = self.account.sms(operation, parameters)
        if found is None:
            return _sms_error("ResourceNotFoundException", ResourceType="configuration-set")
        return Answer(200, orjson.dumps(found), _JSON)

    async def _sns(self, request: Request) -> Answer | Misbehaviour:
        self._signed(request, "sns")
        operation, parameters = aws_model.parse_query("sns", request.body)
        request_id = str(uuid4())
        if operation != "Publish":
            self.ledger.called("sns", operation, "", "ok")
            if operation in self.account.denied:
                return _SNS_ERRORS["denied"]
            found = devices.operate(self.account, operation, parameters)
            if isinstance(found, tuple):
                return _sns_error(*found, 400)
            found = self.account.sns(operation, parameters) if found is None else found
            return _xml(aws_model.query_answer("sns", operation, found, request_id))
        number = parameters.get("PhoneNumber", "")
        service: Service = "sns" if number else "push"
        to = number or parameters.get("TargetArn", "")
        text = parameters["Message"]
        refused = devices.refusal(self.account, to)
        if refused is not None:
            self.ledger.called(service, operation, _pushed(text), "refused")
            return _sns_error(*refused, 400)
        sending = Sending(service, operation, "" if number else _pushed(text), to, text)
        good = aws_model.query_answer(
            "sns", operation, {"MessageId": sending.message_id}, request_id
        )
        return await self.send(sending, _xml(good), _SNS_ERRORS if number else _PUSH_ERRORS)

    async def _ses(self, request: Request) -> Answer | Misbehaviour:
        self._signed(request, "sesv2")
        operation, in_path = aws_model.operation_at("sesv2", request.method, request.path)
        if operation == "SendEmail":
            parameters = aws_model.parse_json("sesv2", operation, request.body)
            tags = {tag["Name"]: tag["Value"] for tag in parameters.get("EmailTags", ())}
            sending = Sending(
                "ses", operation, tags.get("attempt", ""),
                ",".join(parameters["Destination"]["ToAddresses"]),
                parameters["Content"]["Raw"]["Data"].decode("latin-1"),
            )  # fmt: skip
            good = Answer(200, orjson.dumps({"MessageId": sending.message_id}))
            return await self.send(sending, good, _SES_ERRORS)
        self.ledger.called("ses", operation, "", "ok")
        if operation in self.account.denied:
            return _SES_ERRORS["denied"]
        found = self.account.ses(operation, in_path)
        if found is None:
            return _ses_error("NotFoundException", "not found", 404)
        return Answer(200, orjson.dumps(found))

    async def _gateway(self, request: Request) -> Answer | Misbehaviour:
        if self.secret and request.headers.get("authorization") != f"Bearer {self.secret}":
            return Answer(401, b"{}")
        try:
            body = orjson.loads(request.body)
            sending = Sending("http", "send", body["reference"], body["to"], body["text"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            self.ledger.violated("gateway: not as docs/providers.md asks")
            return Answer(400, b"{}")
        good = Answer(202, orjson.dumps({"id": sending.message_id}))
        return await self.send(sending, good, _GATEWAY_ERRORS)

    def _signed(self, request: Request, service: str) -> None:
        """Refuse a request that is not signed for the service; the signature is not checked."""
        signed = aws_model.signed_for(request.headers.get("authorization", ""))
        if signed != aws_model.signing_name(service):
            raise aws_model.WireError(f"signed for {signed or 'nothing'}")


def _pushed(text: str) -> str:
    """Return the attempt's id in the payload for a device."""
    try:
        return str(orjson.loads(orjson.loads(text)["APNS"])["attempt"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ""


def _xml(body: bytes, status: int = 200) -> Answer:
    return Answer(status, body, "text/xml")


def _sms_error(code: str, *, status: int = 400, **more: Any) -> Answer:
    body = {"__type": code, "Message": "simulated", **more}
    return Answer(status, orjson.dumps(body), _JSON)


def _sns_error(code: str, message: str, status: int) -> Answer:
    return _xml(aws_model.query_error(code, message, str(uuid4())), status)


def _ses_error(code: str, message: str, status: int) -> Answer:
    body = orjson.dumps({"message": message})
    return Answer(status, body, headers={"x-amzn-ErrorType": code})


_SMS_ERRORS: Mapping[Kind, Answer] = {
    "error": _sms_error("InternalServerException", status=500),
    "throttle": _sms_error("ThrottlingException"),
    "quota": _sms_error(
        "ServiceQuotaExceededException", Reason="MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT"
    ),
    "denied": _sms_error("AccessDeniedException", Reason="ACCOUNT_DISABLED"),
    "opted_out": _sms_error("ConflictException", Reason="DESTINATION_PHONE_NUMBER_OPTED_OUT"),
    "invalid": _sms_error(
        "ValidationException",
        Reason="FIELD_VALIDATION_FAILED",
        Fields=[{"Name": "DestinationPhoneNumber", "Message": "simulated"}],
    ),
}
_NUMBER = "Invalid parameter: PhoneNumber Reason: +1 is not valid to publish to"
_TARGET = "Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified"
_SNS_ERRORS: Mapping[Kind, Answer] = {
    "error": _sns_error("InternalError", "simulated", 500),
    "throttle": _sns_error("Throttling", "Rate exceeded", 400),
    "quota": _sns_error("Throttling", "the monthly spend quota is used up", 400),
    "denied": _sns_error("AuthorizationError", "not authorized to perform: SNS:Publish", 403),
    "opted_out": _sns_error("OptedOut", "simulated", 400),
    "invalid": _sns_error("InvalidParameter", _NUMBER, 400),
}
_PUSH_ERRORS: Mapping[Kind, Answer] = {
    **_SNS_ERRORS,
    "opted_out": _sns_error("EndpointDisabled", "Endpoint is disabled", 400),
    "invalid": _sns_error("InvalidParameter", _TARGET, 400),
}
_SES_ERRORS: Mapping[Kind, Answer] = {
    "error": _ses_error("InternalFailure", "simulated", 500),
    "throttle": _ses_error("TooManyRequestsException", "Maximum sending rate exceeded.", 429),
    "quota": _ses_error("LimitExceededException", "Daily message quota exceeded", 400),
    "denied": _ses_error("AccessDeniedException", "not authorized to perform: ses:SendEmail", 403),
    "opted_out": _ses_error("MessageRejected", "simulated", 400),
    "invalid": _ses_error("BadRequestException", "Illegal address", 400),
}
_GATEWAY_ERRORS: Mapping[Kind, Answer] = {
    "error": Answer(500, b"{}"),
    "throttle": Answer(429, b"{}"),
    "quota": Answer(503, b"{}"),
    "denied": Answer(403, b"{}"),
    "opted_out": Answer(422, b'{"error": "opted_out"}'),
    "invalid": Answer(422, b'{"error": "invalid_address"}'),
}
