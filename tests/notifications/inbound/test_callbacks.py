"""Who may hand in replies, and what is refused."""

import json
import logging
from dataclasses import replace
from typing import Any

import httpx
import pytest

from chroniccare.core.ids import new_id
from chroniccare.notifications.inbound import inbox, receiving
from chroniccare.notifications.inbound.queries import Waiting
from chroniccare.platform import masterkey
from chroniccare.platform.postgres import Command, Query, begin_system
from chroniccare.settings import SettingsError, load
from tests.notifications.inbound.conftest import REPLIES
from tests.notifications.inbound.phone import left, signed
from tests.notifications.receipts.amazon import SECRET, TOPIC, Amazon
from tests.notifications.support import Clock

_STORED = Query(
    Waiting,
    "SELECT id, driver, message_id, sender, recipient, body, cut, received_at, looks,"
    " NULL::uuid AS tenant_id, master_id FROM inbound_inbox ORDER BY id",
)
_IN_REPLY_TO = Command("SELECT in_reply_to FROM inbound_inbox ORDER BY id")

# As docs.aws.amazon.com shows it, under "two-way SMS message payload".
EUM: dict[str, Any] = {
    "originationNumber": "+14255550182",
    "destinationNumber": "+12125550101",
    "messageKeyword": "JOIN",
    "messageBody": "Yes",
    "inboundMessageId": "cae173d2-66b9-564c-8309-21f858e9fb84",
    "previousPublishedMessageId": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}


async def stored() -> list[str]:
    async with begin_system("test") as tx:
        rows = await tx.all(_STORED)
        about = await tx.values(_IN_REPLY_TO)
    return [
        f"{row.driver} {row.sender} {row.recipient or '-'} {one or '-'} {len(row.body)} {row.cut}"
        for row, one in zip(map(inbox.opened, rows), about, strict=True)
    ]


async def by_sns(http: httpx.AsyncClient, amazon: Amazon, clock: Clock, event: Any,
                 **changes: Any) -> httpx.Response:  # fmt: skip
    message = amazon.message(event, at=clock.at, **({"TopicArn": REPLIES} | changes))
    return await http.post("/inbound/sns", content=json.dumps(message))


async def test_a_reply_by_sns_is_stored_once(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock
) -> None:
    for _ in range(3):  # SNS hands a message over once at least
        answer = await by_sns(anonymous, amazon, clock, EUM)
        assert (answer.status_code, answer.json()) == (200, {"status": "taken"})
    assert await stored() == [
        "aws +14255550182 +12125550101 wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY 3 False"
    ]


async def test_a_stored_reply_is_sealed_for_its_own_row(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock
) -> None:
    await by_sns(anonymous, amazon, clock, EUM)
    async with begin_system("test") as tx:
        [row] = await tx.all(_STORED)
    assert (row.sender, "Yes" in row.body) == ("-", False)
    assert inbox.opened(row).body == "Yes"
    with pytest.raises(masterkey.CannotUnwrap):
        inbox.opened(replace(row, id=new_id()))


async def test_without_a_master_key_a_reply_is_kept_in_clear(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as without:
        without.setattr(masterkey, "_held", None)
        await by_sns(anonymous, amazon, clock, EUM)
    async with begin_system("test") as tx:
        [row] = await tx.all(_STORED)
    assert (row.sender, row.body, row.master_id) == ("+14255550182", "Yes", None)
    assert await stored() == [
        "aws +14255550182 +12125550101 wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY 3 False"
    ]


async def test_a_reply_that_cannot_be_opened_waits_for_its_key(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await by_sns(anonymous, amazon, clock, EUM)
    with monkeypatch.context() as without:
        without.setattr(masterkey, "_held", None)
        assert await receiving.receive_due() == 1
    assert await left() == 1
    clock.forward(minutes=1)
    assert await receiving.receive_due() == 1
    assert await left() == 0


async def test_what_is_forged_or_of_another_topic_is_refused(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock
) -> None:
    message = amazon.message(EUM, at=clock.at, TopicArn=REPLIES)
    forged = {**message, "Message": json.dumps({**EUM, "messageBody": "STOP"})}
    assert (await anonymous.post("/inbound/sns", content=json.dumps(forged))).status_code == 401
    other = await by_sns(anonymous, amazon, clock, EUM, TopicArn=TOPIC)
    assert (other.status_code, other.json()["error"]["code"]) == (403, "NOT_OUR_TOPIC")
    # A topic of replies is none of receipts either.
    crossed = await anonymous.post("/receipts/sns", content=json.dumps(message))
    assert crossed.status_code == 403
    clock.forward(days=1, seconds=1)
    late = await anonymous.post("/inbound/sns", content=json.dumps(message))
    assert (late.status_code, late.json()["error"]["code"]) == (401, "NOT_GENUINE")
    assert await stored() == []


@pytest.mark.parametrize(
    "event",
    ["", "test", "[]", "7", {}, {**EUM, "messageBody": None}, {**EUM, "inboundMessageId": ""},
     {**EUM, "inboundMessageId": "x" * 201}, {**EUM, "inboundMessageId": "a b"},
     {**EUM, "originationNumber": "7726"}, {**EUM, "originationNumber": "Clinic"},
     {**EUM, "originationNumber": 7}, {**EUM, "inboundMessageId": "\0"}],
)  # fmt: skip
async def test_a_genuine_message_that_is_no_reply_is_taken_and_forgotten(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock, event: Any
) -> None:
    assert (await by_sns(anonymous, amazon, clock, event)).status_code == 200
    assert await stored() == []


async def test_strange_text_is_kept_and_too_much_of_it_is_cut(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock
) -> None:
    strange = {**EUM, "messageBody": "a\0b\u2028🙂" + "e" * 100_000, "destinationNumber": 5,
               "previousPublishedMessageId": {"x": 1}}  # fmt: skip
    assert (await by_sns(anonymous, amazon, clock, strange)).status_code == 200
    assert await stored() == ["aws +14255550182 - - 2000 True"]
    empty = {**EUM, "messageBody": "", "inboundMessageId": "2"}
    assert (await by_sns(anonymous, amazon, clock, empty)).status_code == 200
    assert await receiving.receive_due() == 2
    assert await left() == 0


@pytest.mark.parametrize("path", ["sns", "http"])
async def test_a_megabyte_is_refused(anonymous: httpx.AsyncClient, clock: Clock, path: str) -> None:
    body = json.dumps({"replies": [{**REPLY, "text": "x" * 1_000_000}]}).encode()
    answer = await anonymous.post(f"/inbound/{path}", **signed(body, clock.at))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
    assert await stored() == []


REPLY: dict[str, Any] = {"id": "in-1", "sender": "+1 (425) 555-0182", "text": "Yes"}


async def test_a_gateways_reply_is_stored_once(anonymous: httpx.AsyncClient, clock: Clock) -> None:
    body = {"replies": [{**REPLY, "recipient": "+12125550101", "in_reply_to": "m-1"}]}
    for _ in range(2):
        answer = await anonymous.post("/inbound/http", **signed(body, clock.at))
        assert (answer.status_code, answer.json()) == (200, {"status": "taken"})
    assert await stored() == ["http +14255550182 +12125550101 m-1 3 False"]


@pytest.mark.parametrize(
    ("change", "status"),
    [({"secret": "another secret of 32 or more characters"}, 401), ({"age": 301}, 401),
     ({"headers": {}}, 401)],
)  # fmt: skip
async def test_a_gateway_that_does_not_sign_is_refused(
    anonymous: httpx.AsyncClient, clock: Clock, change: dict[str, Any], status: int
) -> None:
    call = signed({"replies": [REPLY]}, clock.at, secret=change.get("secret", SECRET))
    clock.forward(seconds=change.get("age", 0))
    answer = await anonymous.post("/inbound/http", **{**call, **{
        name: value for name, value in change.items() if name == "headers"
    }})  # fmt: skip
    assert answer.status_code == status
    assert await stored() == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", {}, {"replies": []}, {"replies": [{}]}, {"replies": [{**REPLY, "id": ""}]},
     {"replies": [{**REPLY, "id": "a b"}]}, {"replies": [{**REPLY, "text": 7}]},
     {"replies": [{**REPLY, "more": 1}]}, {"replies": [{**REPLY, "sender": "x" * 65}]},
     {"replies": [REPLY] * 101}],
)  # fmt: skip
async def test_a_gateways_mistake_is_named_without_what_it_said(
    anonymous: httpx.AsyncClient, clock: Clock, body: Any
) -> None:
    answer = await anonymous.post("/inbound/http", **signed(body, clock.at))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")
    assert "(425)" not in answer.text
    assert await stored() == []


async def test_nothing_of_a_reply_is_logged(
    anonymous: httpx.AsyncClient, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = {"replies": [{**REPLY, "text": "my secret illness"}]}
    await anonymous.post("/inbound/http", **signed(body, clock.at))
    await receiving.receive_due()
    lines = " ".join(
        str(record.__dict__) for record in caplog.records if not record.name.startswith("httpx")
    )
    assert "illness" not in lines
    assert "4255550182" not in lines


@pytest.mark.parametrize(
    ("change", "good"),
    [
        ({}, False),
        ({"CHRONICCARE_REPLY_TOPICS": REPLIES}, True),
        ({"CHRONICCARE_RECEIPTS_SECRET": SECRET}, True),
        ({"CHRONICCARE_REPLY_TOPICS": "replies"}, False),
    ],
)
def test_nobody_is_asked_for_an_answer_that_nobody_would_read(
    change: dict[str, str], good: bool
) -> None:
    environ = {"CHRONICCARE_SMS_ASKS": "reply", **change}
    if good:
        assert load(environ).sms_asks == "reply"
    else:
        with pytest.raises(SettingsError, match=r"SMS_ASKS|REPLY_TOPICS"):
            load(environ)
