"""Who may tell us, and what nobody can make us believe."""

import json
import logging
from datetime import timedelta
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from chroniccare.notifications.receipts import rules
from chroniccare.platform.postgres import Command, begin_system, database
from chroniccare.settings import Settings, SettingsError, load
from tests.notifications.receipts import events
from tests.notifications.receipts.amazon import SECRET, TOPIC, Amazon
from tests.notifications.support import Clock

_COUNT = Command("SELECT count(*) FROM receipt_inbox")
_CLEAR = Command("DELETE FROM receipt_inbox")
_NONE = SecretStr("")
ATTEMPT = "01999999-0000-7000-8000-000000000001"


@pytest.fixture(autouse=True)
async def empty(taking: Settings, clock: Clock) -> None:
    del taking, clock
    async with begin_system("test") as tx:
        await tx.run(_CLEAR)


async def stored() -> int:
    async with begin_system("test") as tx:
        return int(await tx.value(_COUNT))


async def post(client: httpx.AsyncClient, message: dict[str, Any] | bytes) -> httpx.Response:
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    headers = {"content-type": "text/plain; charset=UTF-8"}
    return await client.post("/receipts/sns", content=body, headers=headers)


async def call(
    client: httpx.AsyncClient, body: Any, clock: Clock, *, age: float = 0, secret: str = SECRET,
) -> httpx.Response:  # fmt: skip
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    stamp = str(int(clock.at.timestamp() - age))
    headers = {
        "x-receipt-timestamp": stamp,
        "x-receipt-signature": rules.http_signature(secret, stamp, data),
    }
    return await client.post("/receipts/http", content=data, headers=headers)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("event", [events.EUM, events.EUM_BRIDGE, events.SES_BOUNCE])
async def test_a_genuine_message_is_stored_once(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock, version: str, event: dict[str, Any]
) -> None:
    message = amazon.message(event, at=clock.at, SignatureVersion=version, Subject="Amazon")
    for _ in range(3):
        answer = await post(anonymous, message)
        assert (answer.status_code, answer.json()) == (200, {"status": "taken"})
    again = amazon.message(event, at=clock.at + timedelta(seconds=5))  # published a second time
    assert (await post(anonymous, again)).status_code == 200
    assert await stored() == 1


async def test_a_subject_is_signed_only_when_there_is_one(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock
) -> None:
    message = amazon.message(events.EUM, at=clock.at)
    assert (await post(anonymous, message)).status_code == 200
    assert (await post(anonymous, {**message, "Subject": "x"})).status_code == 401


@pytest.mark.parametrize("field", ["Message", "MessageId", "Timestamp", "Signature", "Type"])
async def test_a_message_that_was_changed_is_refused(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock, field: str
) -> None:
    message = amazon.message(events.EUM, at=clock.at)
    changed = {
        "Message": json.dumps(events.SES_BOUNCE),
        "Timestamp": (clock.at + timedelta(seconds=1)).isoformat(),
        "Signature": "AAAA",
        "Type": "UnsubscribeConfirmation",
    }
    answer = await post(anonymous, {**message, field: changed.get(field, "x")})
    assert answer.status_code in {400, 401}
    assert answer.json()["error"]["code"] in {"NOT_GENUINE", "VALIDATION_ERROR"}
    assert await stored() == 0


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"TopicArn": f"{TOPIC}x"}, 403),
        ({"TopicArn": None}, 403),
        ({"TopicArn": ["x"]}, 403),
        ({"SigningCertURL": "https://evil.example/cert.pem"}, 401),
        ({"SigningCertURL": "/ec.pem"}, 401),
        ({"SigningCertURL": "/no.pem"}, 401),
        ({"SigningCertURL": "/none.pem"}, 401),
        ({"SigningCertURL": "/moved.pem"}, 401),
        ({"SigningCertURL": "/huge.pem"}, 401),
        ({"SigningCertURL": "/down.pem"}, 503),
        ({"SigningCertURL": 7}, 401),
        ({"SignatureVersion": "3"}, 400),
        ({"Type": "Other"}, 400),
        ({"Message": 7}, 400),
        ({"Timestamp": "soon"}, 400),
        ({"Timestamp": None}, 400),
    ],
)
async def test_a_message_that_is_not_as_it_should_be_is_refused(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock, changes: dict[str, Any], status: int
) -> None:
    if str(changes.get("SigningCertURL")).startswith("/"):
        changes = {"SigningCertURL": amazon.url + changes["SigningCertURL"]}
    answer = await post(anonymous, amazon.message(events.EUM, at=clock.at, **changes))
    assert answer.status_code == status, answer.text
    assert await stored() == 0


@pytest.mark.parametrize(
    ("age", "status"), [(86_399, 200), (86_401, 401), (-299, 200), (-301, 401)]
)
async def test_an_old_message_is_refused(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock, age: int, status: int
) -> None:
    message = amazon.message(events.EUM, at=clock.at - timedelta(seconds=age))
    assert (await post(anonymous, message)).status_code == status
    assert await stored() == int(status == 200)


@pytest.mark.parametrize("path", ["sns", "http"])
@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"[]", 400), (b"\xff\xfe", 400), (b"7", 400),
     (b"[" * 100_000, 400), (b" " * 600_000, 413), (b" " * 2_000_000, 413)],
    ids=["empty", "cut", "list", "no text", "number", "deep", "1 MB", "2 MB"],
)  # fmt: skip
async def test_a_body_that_is_none_is_refused(
    anonymous: httpx.AsyncClient, clock: Clock, path: str, body: bytes, status: int
) -> None:
    answer = await (post(anonymous, body) if path == "sns" else call(anonymous, body, clock))
    assert answer.status_code == status
    assert answer.json()["success"] is False


async def test_a_genuine_message_that_is_no_receipt_is_taken_and_forgotten(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock
) -> None:
    validated = "Successfully validated SNS topic for Amazon SES event publishing."
    for event in (validated, "[]", "{}"):
        assert (await post(anonymous, amazon.message(event, at=clock.at))).status_code == 200
    assert await stored() == 0


async def test_a_subscription_to_our_topic_is_confirmed_at_amazons_alone(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock
) -> None:
    def subscription(url: str) -> dict[str, Any]:
        return amazon.message(
            "You have chosen to subscribe", at=clock.at, Type="SubscriptionConfirmation",
            Token="t", SubscribeURL=url,
        )  # fmt: skip

    url = f"{amazon.url}/?Action=ConfirmSubscription&Token=t"
    assert (await post(anonymous, subscription(url))).status_code == 200
    assert amazon.asked[-1] == "/?Action=ConfirmSubscription&Token=t"
    asked = len(amazon.asked)
    other = subscription("https://evil.example/?Action=ConfirmSubscription")
    assert (await post(anonymous, other)).status_code == 401
    forged = {**subscription(url), "Token": "u"}
    assert (await post(anonymous, forged)).status_code == 401
    assert len(amazon.asked) == asked
    failing = subscription(f"{amazon.url}/none.pem")
    assert (await post(anonymous, failing)).status_code == 503  # SNS asks again


async def test_a_certificate_is_fetched_once(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock
) -> None:
    url = f"{amazon.url}/cert.pem?again"
    before = amazon.asked.count("/cert.pem?again")
    for _ in range(3):
        message = amazon.message(events.EUM, at=clock.at, SigningCertURL=url)
        assert (await post(anonymous, message)).status_code == 200
    assert amazon.asked.count("/cert.pem?again") == before + 1


async def test_sec_31_without_topics_and_secret_nothing_is_taken(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = database()
    monkeypatch.setattr(
        held,
        "settings",
        held.settings.model_copy(update={"sns_topics": "", "receipts_secret": _NONE}),
    )
    assert (await post(anonymous, amazon.message(events.EUM, at=clock.at))).status_code == 403
    body = {"receipts": [{"reference": ATTEMPT, "status": "delivered"}]}
    assert (await call(anonymous, body, clock, secret="")).status_code == 403


# --- a gateway of our own ------------------------------------------------------------------------


async def test_a_gateways_receipts_are_stored(anonymous: httpx.AsyncClient, clock: Clock) -> None:
    body = {
        "receipts": [
            {"reference": ATTEMPT, "status": "delivered", "occurred_at": "2031-03-04T17:00:00Z"},
            {"id": "e-1", "message_id": "m-1", "status": "opted_out", "code": "stop"},
        ],
        "events": [events.SNS_FAILURE, {"nothing": "of ours"}],
    }
    for _ in range(2):
        assert (await call(anonymous, body, clock)).status_code == 200
    assert await stored() == 3


@pytest.mark.parametrize(
    "body",
    [
        {}, {"receipts": []}, {"receipts": [{"status": "delivered"}]}, {"receipts": 7},
        {"receipts": [{"reference": ATTEMPT, "status": "arrived"}]},
        {"receipts": [{"reference": "x", "status": "delivered"}]},
        {"receipts": [{"reference": ATTEMPT, "status": "delivered", "to": "+14155550100"}]},
        {"receipts": [{"reference": ATTEMPT, "status": "delivered", "code": "a b"}]},
        {"receipts": [{"reference": ATTEMPT, "status": "delivered", "id": ""}]},
        {"receipts": [{"reference": ATTEMPT, "status": "delivered", "occurred_at": "x"}]},
        {"receipts": [{"reference": ATTEMPT, "status": "delivered"}] * 101},
        {"events": ["x"]},
    ],
)  # fmt: skip
async def test_a_gateways_mistake_is_named(
    anonymous: httpx.AsyncClient, clock: Clock, body: dict[str, Any]
) -> None:
    answer = await call(anonymous, body, clock)
    assert answer.status_code == 400
    assert answer.json()["error"]["details"]
    assert "14155550100" not in answer.text
    assert await stored() == 0


@pytest.mark.parametrize(("age", "status"), [(299, 200), (301, 401), (-299, 200), (-301, 401)])
async def test_a_gateways_callback_is_good_for_five_minutes(
    anonymous: httpx.AsyncClient, clock: Clock, age: int, status: int
) -> None:
    body = {"receipts": [{"reference": ATTEMPT, "status": "delivered"}]}
    assert (await call(anonymous, body, clock, age=age)).status_code == status


async def test_a_gateways_signature_holds_for_its_body_and_time_alone(
    anonymous: httpx.AsyncClient, clock: Clock
) -> None:
    body = b'{"receipts": []}'
    stamp = str(int(clock.at.timestamp()))
    good = rules.http_signature(SECRET, stamp, body)
    for headers in (
        {},
        {"x-receipt-timestamp": stamp},
        {"x-receipt-timestamp": stamp, "x-receipt-signature": good[:-1]},
        {"x-receipt-timestamp": stamp, "x-receipt-signature": "\xff"},
        {"x-receipt-timestamp": str(int(stamp) + 1), "x-receipt-signature": good},
        {
            "x-receipt-timestamp": "x",
            "x-receipt-signature": rules.http_signature(SECRET, "x", body),
        },
    ):
        sent = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        answer = await anonymous.post("/receipts/http", content=body, headers=sent)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "NOT_GENUINE"


async def test_nothing_of_a_callback_is_logged(
    anonymous: httpx.AsyncClient, amazon: Amazon, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    message = amazon.message({**events.EUM, "destinationPhoneNumber": "+14255550156"}, at=clock.at)
    await post(anonymous, message)
    await post(anonymous, {**message, "Message": "secret words"})
    body = {"receipts": [{"reference": ATTEMPT, "status": "secret words"}]}
    await call(anonymous, body, clock)
    told = "\n".join(json.dumps(record.__dict__, default=str) for record in caplog.records)
    for word in ("4255550156", "secret words", message["Signature"], SECRET):
        assert word not in told


async def test_an_address_that_calls_too_often_must_wait(
    anonymous: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chroniccare.notifications.callbacks_api._BURST", 3)
    monkeypatch.setattr("chroniccare.notifications.callbacks_api._PER_SECOND", 0.001)
    answers = [await post(anonymous, b"{}") for _ in range(8)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"CHRONICCARE_RECEIPTS_SECRET": "short"}, "RECEIPTS_SECRET"),
        ({"CHRONICCARE_SNS_TOPICS": f"{TOPIC},receipts"}, "SNS_TOPICS"),
        ({"CHRONICCARE_SNS_SIMULATOR_URL": "http://10.0.0.1:4566"}, "SNS_SIMULATOR_URL"),
        ({"CHRONICCARE_SNS_SIMULATOR_URL": "http://127.0.0.1:4566/x"}, "SNS_SIMULATOR_URL"),
    ],
)
def test_settings_that_would_let_strangers_in_are_refused(
    changes: dict[str, str], named: str
) -> None:
    with pytest.raises(SettingsError, match=named):
        load(changes)


def test_production_takes_no_simulator() -> None:
    live = {
        "CHRONICCARE_ENVIRONMENT": "production",
        "CHRONICCARE_MASTER_KEY_FILE": "/etc/chroniccare/master.key",
        "DATABASE_URL": "postgresql://db?sslmode=verify-full",
        "REDIS_URL": "rediss://cache",
        "CHRONICCARE_KEY_PEPPER": "p" * 32,
        "CHRONICCARE_PUBLIC_URL": "https://api.clinic.example",
    }
    load(live)
    with pytest.raises(SettingsError, match="SNS_SIMULATOR_URL"):
        load({**live, "CHRONICCARE_SNS_SIMULATOR_URL": "http://127.0.0.1:4566"})
