"""What leaves the house is what AWS's models and mail allow, whatever stands in text or address."""

from datetime import timedelta
from email import message_from_string, policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroniccare.notifications import dispatch
from chroniccare.notifications.channels import email_ses, push_sns, sms_aws, sms_sns
from chroniccare.notifications.templates.text import Text
from chroniccare.platform import aws_model
from chroniccare.simulator.run import Simulator
from tests.notifications.provider import by
from tests.notifications.simulated import ADDRESS, DEVICE, chosen, line, message
from tests.notifications.support import NOON, Bench

_UNSENT = Simulator(url="http://127.0.0.1:1", smtp_url="smtp://127.0.0.1:1")
_PRINTED = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=1600)
_EVIL = (
    "maria@example.com\r\nBcc: other@example.com",
    "maria@example.com\nBcc: other@example.com",
    "maria@example.com, other@example.com",
    "maria@example.com> NOTIFY=SUCCESS\r\nRCPT TO:<other@example.com",
    "Maria <maria@example.com>, <other@example.com>",
    "maria@example.com\r\n\r\nbody",
    "maria@example.com\x00",
    "",
)


@given(
    body=_PRINTED, subject=_PRINTED,
    number=st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True),
    minutes=st.none() | st.integers(-60, 200_000),
)  # fmt: skip
@settings(max_examples=30)
def test_any_text_makes_a_request_that_aws_allows(
    body: str, subject: str, number: str, minutes: int | None
) -> None:
    expires_at = None if minutes is None else NOON + timedelta(minutes=minutes)
    text = Text(body, subject, f"<p>{subject}</p>")
    for name, service, operation, module, to in (
        ("aws", sms_aws.SERVICE, "SendTextMessage", sms_aws, number),
        ("sns", "sns", "Publish", sms_sns, number),
        ("ses", email_ses.SERVICE, "SendEmail", email_ses, ADDRESS),
    ):
        sent = message(name, text=text, recipient=to, expires_at=expires_at)
        aws_model.check(service, operation, module.request(chosen(_UNSENT, name), sent))
    pushed = message("push", text=text, recipient=DEVICE, expires_at=expires_at)
    aws_model.check("sns", "Publish", push_sns.request(pushed))


@pytest.mark.parametrize("name", ["ses", "smtp"])
@pytest.mark.parametrize("address", _EVIL)
async def test_no_address_adds_a_recipient_or_a_header(
    simulator: Simulator, name: str, address: str
) -> None:
    async with line(simulator, name) as opened:
        outcome = await opened.send(recipient=address)
        assert (await opened.send()).status == "accepted"  # and the line is as good as before
    assert outcome.status == "rejected"
    [reached] = simulator.ledger.reached
    assert reached.to == ADDRESS
    letter = message_from_string(reached.text, policy=policy.default)
    assert letter["Bcc"] is None
    assert "other@" not in reached.text


@pytest.mark.parametrize("name", ["ses", "smtp"])
@pytest.mark.parametrize("subject", ["Hello\r\nBcc: other@example.com", "Hello\nX: y", "a\x00b"])
async def test_no_subject_adds_a_header(simulator: Simulator, name: str, subject: str) -> None:
    text = Text("Hello", subject, "<p>Hello</p>")
    async with line(simulator, name) as opened:
        await opened.send(text=text)
    for reached in simulator.ledger.reached:
        letter = message_from_string(reached.text, policy=policy.default)
        assert letter["Bcc"] is None
        assert letter["X"] is None
        assert letter["To"] == ADDRESS


async def test_one_bad_recipient_never_stops_a_batch(bench: Bench, simulator: Simulator) -> None:
    """Addresses that got past every check, as a row of an older release may have."""
    patients = [
        await bench.patient(
            contact_info={"telecom": [{"system": "email", "value": f"p{number}@example.com"}]}
        )
        for number in range(6)
    ]
    for patient, address in zip(patients, _EVIL[:3], strict=False):
        await bench.sql(
            "UPDATE contact_points SET value = $2 WHERE patient_id = $1", patient, address
        )
    await bench.plan(await bench.visits(patients, bench.clock.at + timedelta(hours=3)))
    async with line(simulator, "smtp") as opened:
        await dispatch.drain(by(bench, email=opened.driver))
    states = [
        row.delivery_status for row in await bench.rows()
        if row.notification_type == "appointment_confirmation"
    ]  # fmt: skip
    assert sorted(states) == ["accepted"] * 3 + ["failed"] * 3
    assert {one.to for one in simulator.ledger.reached} == {f"p{n}@example.com" for n in (3, 4, 5)}
