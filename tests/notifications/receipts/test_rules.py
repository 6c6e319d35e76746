"""What events say, and what follows from them, on paper."""

import json
from datetime import UTC, datetime
from itertools import permutations, product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.notifications.receipts import queries, rules, rules_events, schemas
from tests.notifications.receipts import events

ATTEMPT = UUID("01999999-0000-7000-8000-000000000001")
MESSAGE = "862a8790-60c0-4430-9b2b-658bdexample"
MAIL = "7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000"


@pytest.mark.parametrize(
    ("event", "driver", "kind", "code"),
    [
        (events.text("TEXT_DELIVERED"), "aws", "delivered", "DELIVERED"),
        (events.text("TEXT_SUCCESSFUL"), "aws", "accepted", "SUCCESSFUL"),
        (events.text("TEXT_PENDING", isFinal=False), "aws", "accepted", "PENDING"),
        (events.text("TEXT_QUEUED", isFinal=False), "aws", "accepted", "QUEUED"),
        (events.text("TEXT_UNREACHABLE"), "aws", "undelivered", "UNREACHABLE"),
        (events.text("TEXT_UNREACHABLE", isFinal=False), "aws", "delayed", "UNREACHABLE"),
        (events.text("TEXT_UNKNOWN"), "aws", "delayed", "UNKNOWN"),
        (events.text("TEXT_INVALID"), "aws", "bounced_hard", "INVALID"),
        (events.text("TEXT_SPAM"), "aws", "rejected", "SPAM"),
        (events.text("TEXT_TTL_EXPIRED"), "aws", "undelivered", "TTL_EXPIRED"),
        (events.EUM_BRIDGE, "aws", "delivered", "DELIVERED"),
        (events.SES_DELIVERY, "ses", "delivered", None),
        (events.SES_BOUNCE, "ses", "bounced_hard", "Permanent.General"),
        (events.SES_NOTIFICATION, "ses", "bounced_hard", "Permanent.General"),
        (events.SES_BRIDGE, "ses", "bounced_hard", "Permanent.General"),
        (
            {**events.SES_BOUNCE, "bounce": {"bounceType": "Transient", "bounceSubType": "X"}},
            "ses", "bounced_soft", "Transient.X",
        ),
        (events.SES_COMPLAINT, "ses", "complained", "abuse"),
        (
            {**events.SES_COMPLAINT,
             "complaint": {"complaintSubType": "OnAccountSuppressionList"}},
            "ses", "opted_out", "OnAccountSuppressionList",
        ),
        (events.SES_REJECT, "ses", "rejected", "Bad_content"),
        (events.SES_DELAY, "ses", "delayed", "TransientCommunicationFailure"),
        (events.SES_SEND, "ses", "accepted", None),
        (events.SES_SUBSCRIPTION, "ses", "opted_out", None),
        (events.SNS_SUCCESS, "sns", "accepted", None),
        (events.SNS_FAILURE, "sns", "undelivered", "failed"),
        (events.says("Phone number is opted out"), "sns", "opted_out", "opted_out"),
        (events.says("Invalid phone number"), "sns", "bounced_hard", "invalid_number"),
        (events.says("Blocked as spam by phone carrier"), "sns", "rejected", "spam"),
        (events.says("Phone carrier has blocked this message"), "sns", "undelivered", "blocked"),
    ],
)  # fmt: skip
def test_an_event_of_aws_is_read(
    event: dict[str, Any], driver: str, kind: str, code: str | None
) -> None:
    receipt = rules_events.read(json.loads(json.dumps(event)))
    assert receipt is not None
    assert (receipt.driver, receipt.kind, receipt.code) == (driver, kind, code)
    assert receipt.provider_id
    assert receipt.occurred_at is not None
    assert len(receipt.event_id) == 64


def test_the_echo_and_the_time_are_found() -> None:
    receipt = rules_events.read({**events.EUM, "context": {"attempt": str(ATTEMPT)}})
    assert receipt is not None
    assert (receipt.attempt_id, receipt.provider_id) == (ATTEMPT, MESSAGE)
    assert receipt.occurred_at == datetime(2023, 6, 17, 4, 11, 43, 470000, tzinfo=UTC)
    receipt = rules_events.read(events.tagged(events.SES_BOUNCE, ATTEMPT))
    assert receipt is not None
    assert (receipt.attempt_id, receipt.provider_id) == (ATTEMPT, MAIL)
    assert receipt.occurred_at == datetime(2017, 8, 5, 0, 41, 2, 669000, tzinfo=UTC)


def test_one_event_by_two_ways_has_one_id_and_another_event_another() -> None:
    by_topic, by_bridge = rules_events.read(events.SES_BOUNCE), rules_events.read(events.SES_BRIDGE)
    assert by_topic == by_bridge
    others = [events.EUM, events.text("TEXT_QUEUED"), events.SES_DELIVERY, events.SES_BOUNCE]
    ids = {receipt.event_id for one in others if (receipt := rules_events.read(one))}
    assert len(ids) == len(others)


@pytest.mark.parametrize(
    "event",
    [
        None, [], "x", 7, {}, {"eventType": "TEXT_DELIVERED"}, {"eventType": "VOICE_ANSWERED"},
        {"mail": {}}, {"mail": {"messageId": "a b"}, "eventType": "Bounce"},
        {**events.SES_SEND, "eventType": "Open"}, {"status": "SUCCESS", "notification": {}},
        {**events.SES_SUBSCRIPTION, "subscription": {"newTopicPreferences": {}}},
        {"eventType": "TEXT_DELIVERED", "messageId": "x" * 201},
    ],
)  # fmt: skip
def test_what_is_no_receipt_is_none(event: Any) -> None:
    assert rules_events.read(event) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["mail", "tags", "attempt", "eventType", "bounce", "messageId", "status",
                         "notification", "timestamp", "context", "eventTimestamp", "detail",
                         "detail-type", "delivery"]), inner, max_size=6),
    max_leaves=20,
)  # fmt: skip


@given(_JSON, st.sampled_from(["TEXT_DELIVERED", "Bounce", "Complaint", "Subscription"]))
def test_no_event_is_too_odd_to_read(event: Any, name: str) -> None:
    for odd in (event, {"eventType": name, "mail": event, name.lower(): event},
                {**events.EUM, "context": event, "eventTimestamp": event},
                {"status": "FAILURE", "notification": event, "delivery": event}):  # fmt: skip
        receipt = rules_events.read(odd)
        assert receipt is None or len(receipt.code or "") <= 64


def test_no_address_or_text_gets_into_a_code() -> None:
    assert rules_events.as_code("user jane@example.com unknown") is None
    assert rules_events.as_code("no +14155550100") is None
    assert rules_events.as_code("a b\nc/d") == "a_b_c_d"
    assert rules_events.as_code("x" * 99) == "x" * 64


# --- what follows --------------------------------------------------------------------------------

KINDS: tuple[rules.Kind, ...] = (
    "accepted", "delayed", "undelivered", "rejected", "bounced_soft", "bounced_hard", "opted_out",
    "delivered", "complained",
)  # fmt: skip
PLANS = (("sms",), ("sms", "email"), ("email", "sms"))
STARTS = [
    rules.Standing(status, plan[0], plan, None, attempt, "sms")
    for status, attempt in [
        ("accepted", "accepted"), ("unknown", "unknown"), ("needs_staff", "unknown"),
        ("unconfirmed", "unconfirmed"), ("pending", "transient"), ("pending", "unknown"),
        ("failed", "transient"), ("cancelled", "accepted"),
    ]
    for plan in PLANS
    if plan[0] == "sms" or status == "pending"
]  # fmt: skip


def _after(start: rules.Standing, kinds: Any) -> rules.Standing:
    for kind in kinds:
        then = rules.follow(start, kind, "code")
        assert isinstance(then, rules.Standing)
        start = then
    return start


def test_every_kind_is_known_everywhere() -> None:
    told = schemas.GatewayReceipt.model_fields["status"].annotation
    assert set(KINDS) == set(rules.Kind.__args__) == set(told.__args__)  # type: ignore[attr-defined,union-attr]
    assert rules.PROOF | rules.REFUSAL | {"accepted", "delayed"} == set(KINDS)
    assert f"a.driver IN {rules.TOLD_BY!r}" in queries.UNCONFIRM.sql


@pytest.mark.parametrize("start", STARTS)
def test_any_order_of_up_to_three_receipts_ends_the_same(start: rules.Standing) -> None:
    for kinds in product(KINDS, repeat=3):
        ends = {_after(start, order) for order in permutations(kinds)}
        assert len(ends) == 1, kinds
        [end] = ends
        assert _after(end, kinds) == end  # and once more changes nothing


@given(st.sampled_from(STARTS), st.lists(st.sampled_from(KINDS), max_size=12))
def test_what_is_final_is_never_taken_back(start: rules.Standing, kinds: list[rules.Kind]) -> None:
    finals = {"delivered", "failed", "unconfirmed", "cancelled"}
    for kind in kinds:
        then = rules.follow(start, kind, None)
        assert isinstance(then, rules.Standing)
        if start.status in finals and then.status != start.status:
            assert (then.status, kind in rules.PROOF) == ("delivered", True)
            assert start.status in {"failed", "unconfirmed"}
        if start.attempt_status == "delivered":
            assert then == start
        start = then


def test_a_refusal_during_the_call_waits_and_a_proof_does_not() -> None:
    calling = rules.Standing("sending", "sms", ("sms", "email"), None, "in_flight", "sms")
    assert isinstance(rules.follow(calling, "bounced_hard", None), rules.Later)
    proved = rules.follow(calling, "delivered", None)
    assert isinstance(proved, rules.Standing)
    assert (proved.status, proved.attempt_status) == ("delivered", "delivered")


def test_a_late_refusal_of_an_earlier_attempt_leaves_the_later_one_alone() -> None:
    now = rules.Standing("accepted", "email", ("email",), None, "accepted", "sms", last=False)
    then = rules.follow(now, "undelivered", "X")
    assert isinstance(then, rules.Standing)
    assert (then.status, then.channel, then.attempt_status) == ("accepted", "email", "undelivered")


def _doubt(kind: str = "appointment_reminder", **changes: Any) -> rules.Doubt:
    plan = changes.pop("plan", ("sms", "email"))
    attempt = changes.pop("attempt", "unknown")
    standing = rules.Standing("unknown", "sms", plan, "timeout", attempt, "sms")
    facts = {"same_day": False, "expired": False, "doubts": 1} | changes
    return rules.Doubt(kind, **facts, standing=standing)


@pytest.mark.parametrize(
    ("doubt", "status", "channel"),
    [
        (_doubt(), "pending", "email"),
        (_doubt(same_day=True), "pending", "sms"),
        (_doubt(same_day=True, doubts=2), "pending", "email"),
        (_doubt("medication_reminder"), "pending", "sms"),
        (_doubt("medication_reminder", doubts=2, plan=("sms",)), "unconfirmed", "sms"),
        (_doubt("low_adherence"), "needs_staff", "sms"),
        (_doubt(plan=("sms",)), "unconfirmed", "sms"),
        (_doubt("medication_reminder", expired=True), "unconfirmed", "sms"),
        (_doubt(attempt="accepted"), "accepted", "sms"),
        (_doubt("low_adherence", attempt="delivered"), "delivered", "sms"),
    ],
)
def test_a_doubt_ends_by_category(doubt: rules.Doubt, status: str, channel: str) -> None:
    then = rules.resolve(doubt)
    assert (then.status, then.channel) == (status, channel)


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem", True),
        ("https://sns.cn-north-1.amazonaws.com.cn/x.pem", True),
        ("http://sns.us-east-1.amazonaws.com/x.pem", False),
        ("https://sns.us-east-1.amazonaws.com.evil.example/x.pem", False),
        ("https://evil.example/sns.us-east-1.amazonaws.com/x.pem", False),
        ("https://a@sns.us-east-1.amazonaws.com/x.pem", False),
        ("https://sns.us-east-1.amazonaws.com:8443/x.pem", False),
        ("https://sns.us-east-1.amazonaws.com\\@evil.example/x", False),
        ("https://evil.example#sns.us-east-1.amazonaws.com/x", False),
        ("https://sns.us-east-1.amazonaws.com/x y\r\n", False),
        ("https://sns..amazonaws.com/", False),
        ("http://127.0.0.1:4566/cert.pem", True),
        ("http://127.0.0.1:45661/cert.pem", False),
        ("http://127.0.0.1:4566@evil.example/cert.pem", False),
    ],
)
def test_certificates_come_from_amazon_or_the_simulator(url: str, good: bool) -> None:
    assert rules.of_aws(url, "http://127.0.0.1:4566") is good
    assert rules.of_aws(url) is (good and url.startswith("https"))
