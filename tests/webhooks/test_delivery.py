"""Deliveries to a real receiver: signed, in order, retried, given up, sent again."""

import asyncio
import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from chroniccare.core.ids import new_id
from chroniccare.platform import egress as egress_module
from chroniccare.platform.egress import Egress
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, begin, database
from chroniccare.platform.public_hosts import TIMEOUT_S
from chroniccare.tasks import webhooks as webhook_tasks
from chroniccare.webhooks import delivery, loop, relaying, resending
from chroniccare.webhooks.actions import emit
from tests.client import Clinic
from tests.notifications.support import Clock
from tests.webhooks.conftest import Drain, Hook
from tests.webhooks.receiver import Came, Receiver, receiving

DISABLED = Command("SELECT payload FROM outbox WHERE event_type = 'webhook.disabled'")


async def told(clinic: Clinic, entity_id: UUID, version: int) -> None:
    """Emit an event about a record."""
    async with begin(clinic.caller) as tx:
        await emit(
            tx, "patient.updated", entity_type="patient", entity_id=entity_id,
            payload={"version": version},
        )  # fmt: skip


async def deliveries(clinic: Clinic, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the log, the oldest first."""
    listed = await clinic.get(f"/webhooks/{webhook['id']}/deliveries", params={"limit": 200})
    items: list[dict[str, Any]] = listed.json()["data"]["items"]
    return items[::-1]


def versions(receiver: Receiver) -> list[int]:
    return [came.document["data"]["version"] for came in receiver.came]


def verified(secret: str, came: Came) -> bool:
    """Verify as Standard Webhooks asks for, apart from the code that signs."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{came.id}.{came.headers['webhook-timestamp']}.".encode() + came.body
    expected = base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    return f"v1,{expected}" in came.headers["webhook-signature"].split(" ")


async def test_a_registration_arrives_signed_with_ids_and_no_name(
    clinic: Clinic, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    made = await hook(receiver)
    patient = await clinic.patient()
    await drain()
    (came,) = receiver.came
    assert verified(made["secret"], came)
    assert came.headers["x-chronic-care-event"] == "patient.created"
    assert came.headers["content-type"] == "application/json"
    assert came.document["type"] == "patient.created"
    assert came.document["data"] == {"entity_type": "patient", "entity_id": patient["id"]}
    assert set(came.document) == {"type", "timestamp", "data"}
    assert patient["first_name"] not in came.body.decode()


async def test_what_was_rolled_back_is_never_sent(
    clinic: Clinic, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    await hook(receiver)
    with pytest.raises(RuntimeError):
        async with begin(clinic.caller) as tx:
            await emit(tx, "patient.created", entity_type="patient", entity_id=new_id())
            raise RuntimeError
    await drain()
    assert receiver.came == []


async def test_an_event_whose_transaction_commits_late_is_not_passed_over(
    clinic: Clinic, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    await hook(receiver)
    async with begin(clinic.caller) as tx:  # holds the smaller number while others come and go
        await emit(tx, "patient.created", entity_type="patient", entity_id=new_id(),
                   payload={"version": 1})  # fmt: skip
        await told(clinic, new_id(), 2)
        await drain()
        assert versions(receiver) == [2]
    await drain()
    assert versions(receiver) == [2, 1]


async def test_a_new_webhook_gets_nothing_of_before(
    clinic: Clinic, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    await clinic.patient()
    old = Command("UPDATE outbox SET created_at = created_at - interval '2 minutes'")
    async with begin(clinic.caller) as tx:
        assert await tx.run(old)
    await hook(receiver)
    new = await clinic.patient()
    await drain()
    assert [came.document["data"]["entity_id"] for came in receiver.came] == [new["id"]]


async def test_only_wanted_events_go_and_a_disabled_webhook_gets_none(
    clinic: Clinic, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    await hook(receiver, events=["task.*"])
    await hook(receiver, enabled=False)
    await clinic.patient()
    assert await drain() == 0


async def test_during_a_rotation_both_secrets_verify_and_afterwards_one(
    clinic: Clinic, clock: Clock, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    made = await hook(receiver)
    new = (await clinic.post(f"/webhooks/{made['id']}/rotate", params={"overlap_hours": 2})).json()
    secret = new["data"]["secret"]
    await told(clinic, new_id(), 1)
    await drain()
    clock.forward(hours=2)
    await told(clinic, new_id(), 2)
    await drain()
    during, after = receiver.came
    assert [verified(one, during) for one in (made["secret"], secret)] == [True, True]
    assert [verified(one, after) for one in (made["secret"], secret)] == [False, True]


async def test_the_next_event_of_a_record_waits_and_those_of_others_do_not(
    clinic: Clinic, clock: Clock, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    made = await hook(receiver)
    one, other = new_id(), new_id()
    receiver.status = lambda came: 500 if came.document["data"]["version"] == 1 else 204
    for version, entity in ((1, one), (2, one), (3, one), (4, other)):
        await told(clinic, entity, version)
    await drain()
    assert versions(receiver) in ([1, 4], [4, 1])
    waiting = {d["entity_id"]: d for d in await deliveries(clinic, made)}
    assert waiting[str(one)]["next_attempt_at"] is None  # the last of the line
    receiver.status = lambda _: 204
    clock.forward(minutes=10)
    await drain()
    assert versions(receiver)[2:] == [1, 2, 3]
    assert {d["status"] for d in await deliveries(clinic, made)} == {"delivered"}
    first = next(d for d in await deliveries(clinic, made) if d["attempt"] == 2)
    assert [a["response_status"] for a in first["attempts"]] == [500, 204]


async def test_retry_after_is_obeyed_by_the_whole_endpoint(
    clinic: Clinic, clock: Clock, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    made = await hook(receiver)
    receiver.status, receiver.headers = lambda _: 429, "Retry-After: 600\r\n"
    await told(clinic, new_id(), 1)
    await drain()
    receiver.status, receiver.headers = lambda _: 204, ""
    await told(clinic, new_id(), 2)
    clock.forward(seconds=599)
    assert await drain() == 0
    assert (await clinic.get(f"/webhooks/{made['id']}")).json()["data"]["failures"] == 1
    clock.forward(seconds=2)
    await drain()
    assert sorted(versions(receiver)) == [1, 1, 2]
    state = (await clinic.get(f"/webhooks/{made['id']}")).json()["data"]
    assert (state["failures"], state["failing_since"], state["paused_until"]) == (0, None, None)


async def test_gone_disables_at_once_with_notice_and_what_waits_can_be_sent_later(
    clinic: Clinic, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    async with receiving() as second:
        made = await hook(receiver, events=["patient.*"])
        await hook(second, events=["webhook.*"])
        receiver.status = lambda _: 410
        entity = new_id()
        await told(clinic, entity, 1)
        await told(clinic, entity, 2)
        await drain()
        assert versions(receiver) == [1]
        assert [came.document["data"]["reason"] for came in second.came] == ["gone"]
    state = (await clinic.get(f"/webhooks/{made['id']}")).json()["data"]
    assert (state["enabled"], state["disabled_reason"]) == (False, "gone")
    assert [d["status"] for d in await deliveries(clinic, made)] == ["disabled"] * 2
    path = f"/webhooks/{made['id']}"
    refused = await clinic.post(f"{path}/resend", {"since": "2020-01-01T00:00:00Z"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "WEBHOOK_DISABLED")
    assert (await clinic.post(f"{path}/ping")).status_code == 409
    receiver.status = lambda _: 204
    await clinic.put(path, {"url": receiver.url, "events": ["patient.*"]})
    before = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    sent = await clinic.post(f"{path}/resend", {"since": before})
    assert sent.json()["data"] == {"count": 2}
    await drain()
    assert versions(receiver) == [1, 1, 2]


async def test_a_test_event_and_a_new_url_do_not_wait_for_the_rest(
    clinic: Clinic, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    made = await hook(receiver)
    path = f"/webhooks/{made['id']}"
    receiver.status, receiver.headers = lambda _: 503, "Retry-After: 86400\r\n"
    await clinic.post(f"{path}/ping")
    await drain()
    await clinic.post(f"{path}/ping")
    await drain()
    assert len({came.id for came in receiver.came}) == 2
    async with receiving() as second:
        body = {"url": second.url, "events": ["*"]}
        state = (await clinic.put(path, body)).json()["data"]
        assert (state["paused_until"], state["failures"]) == (None, 0)
        await told(clinic, new_id(), 1)
        await drain()
        assert versions(second) == [1]


async def test_what_a_disabled_webhook_was_handed_meanwhile_is_parked(
    clinic: Clinic, hook: Hook, drain: Drain, receiver: Receiver, database_url: str
) -> None:
    made = await hook(receiver)
    await told(clinic, new_id(), 1)
    await relaying.sweep()
    async with owner_connection(database_url) as owner:  # as if more waited than one park takes
        await owner.execute("UPDATE webhook_endpoints SET enabled = false")
    assert await drain() == 0
    assert [d["status"] for d in await deliveries(clinic, made)] == ["disabled"]


async def test_after_three_days_of_failures_the_webhook_is_disabled_with_notice(
    clinic: Clinic, clock: Clock, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    made = await hook(receiver)
    receiver.status = lambda _: 503
    await told(clinic, new_id(), 1)
    for _ in range(7 * 24):
        await drain()
        clock.forward(minutes=30)
    state = (await clinic.get(f"/webhooks/{made['id']}")).json()["data"]
    assert (state["enabled"], state["disabled_reason"]) == (False, "failing")
    (row,) = await deliveries(clinic, made)
    assert row["status"] in {"failed", "disabled"}
    assert 8 <= row["attempt"] <= 40
    tried = [a["started_at"] for a in row["attempts"]]
    assert tried == sorted(tried)
    async with begin(clinic.caller) as tx:
        (payload,) = await tx.values(DISABLED)
    assert payload["reason"] == "failing"
    # It is the clinic's only webhook: nobody hears that event, so staff find a task.
    [task] = (await clinic.get("/tasks")).json()["data"]["items"]
    assert (task["code"], task["reason"], task["priority"]) == (
        "webhook_disabled", "failing", "high",
    )  # fmt: skip
    assert (task["focus_type"], task["focus_id"]) == ("webhook", made["id"])


async def test_one_event_is_sent_again_under_its_id(
    clinic: Clinic, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    made = await hook(receiver)
    await told(clinic, new_id(), 1)
    await drain()
    (row,) = await deliveries(clinic, made)
    path = f"/webhooks/{made['id']}/deliveries/{row['id']}/resend"
    headers = {"Idempotency-Key": "again"}
    for _ in range(2):
        again = await clinic.post(path, headers=headers)
        assert again.status_code == 202
        await drain()
    assert [came.id for came in receiver.came] == [row["event_id"]] * 2
    unknown = await clinic.post(f"/webhooks/{made['id']}/deliveries/{new_id()}/resend")
    assert unknown.status_code == 404


async def test_a_range_is_sent_again_and_what_was_never_sent_with_it(
    clinic: Clinic, clock: Clock, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    entity = new_id()
    start = clock().isoformat()
    await told(clinic, entity, 1)
    await drain()  # nobody wanted it
    clock.forward(minutes=1)
    made = await hook(receiver, events=["patient.*"])
    await told(clinic, entity, 2)
    await drain()
    assert versions(receiver) == [2]
    path = f"/webhooks/{made['id']}/resend"
    clock.forward(minutes=1)
    missed = await clinic.post(path, {"since": start})
    assert missed.json()["data"] == {"count": 1}
    await drain()
    every = await clinic.post(path, {"since": start, "delivered": True})
    assert every.json()["data"] == {"count": 2}
    await drain()
    assert versions(receiver) == [2, 1, 1, 2]
    empty = await clinic.post(path, {"since": start, "until": start})
    assert empty.status_code == 422
    assert empty.json()["error"]["details"][0]["field"] == "until"


async def test_a_range_that_begins_before_what_is_kept_is_refused_with_its_beginning(
    clinic: Clinic, clock: Clock, hook: Hook, receiver: Receiver
) -> None:
    made = await hook(receiver)
    path = f"/webhooks/{made['id']}/resend"
    first = clock() - timedelta(days=90)
    refused = await clinic.post(path, {"since": (first - timedelta(seconds=1)).isoformat()})
    assert refused.status_code == 422
    (detail,) = refused.json()["error"]["details"]
    assert (detail["field"], detail["code"]) == ("since", "no_longer_kept")
    assert first.isoformat(timespec="seconds") in refused.text
    allowed = await clinic.post(path, {"since": first.isoformat()})
    assert allowed.json()["data"] == {"count": 0}


async def test_only_wanted_events_count_towards_the_most_that_are_sent_again(
    clinic: Clinic, hook: Hook, drain: Drain, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resending, "MOST", 2)
    made = await hook(receiver, events=["webhook.*", "patient.created"])
    start = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    for _ in range(3):
        await told(clinic, new_id(), 1)
    async with begin(clinic.caller) as tx:
        for _ in range(2):
            await emit(tx, "patient.created", entity_type="patient", entity_id=new_id())
    await drain()
    path = f"/webhooks/{made['id']}/resend"
    sent = await clinic.post(path, {"since": start, "delivered": True})
    assert sent.json()["data"] == {"count": 2}
    await drain()
    assert len(receiver.came) == 4
    await clinic.put(f"/webhooks/{made['id']}", {"url": receiver.url, "events": ["patient.*"]})
    refused = await clinic.post(path, {"since": start, "delivered": True})
    assert refused.status_code == 422
    assert refused.json()["error"]["details"][0]["code"] == "too_many"


async def test_a_secret_that_cannot_be_opened_is_tried_for_three_days_and_then_told(
    clinic: Clinic, clock: Clock, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    made = await hook(receiver, events=["patient.*"])
    other = await hook(receiver, events=["webhook.*"])
    swapped = Command(
        "UPDATE webhook_endpoints SET secret = (SELECT o.secret FROM webhook_endpoints o"
        " WHERE o.id = $2) WHERE id = $1"
    )
    async with begin(clinic.caller) as tx:
        await tx.run(swapped, UUID(made["id"]), UUID(other["id"]))
    await told(clinic, new_id(), 1)
    await drain()
    (row,) = await deliveries(clinic, made)
    assert [(a["error"], a["request_headers"]) for a in row["attempts"]] == [("secret", {})]
    assert row["next_attempt_at"] > clock().isoformat()
    for _ in range(7 * 24):
        await drain()
        clock.forward(minutes=30)
    state = (await clinic.get(f"/webhooks/{made['id']}")).json()["data"]
    assert (state["enabled"], state["disabled_reason"]) == (False, "unreadable")
    (row,) = await deliveries(clinic, made)
    assert 8 <= row["attempt"] <= 40
    assert [came.document["data"]["reason"] for came in receiver.came] == ["unreadable"]
    path = f"/webhooks/{made['id']}"
    assert (await clinic.post(f"{path}/rotate", params={"overlap_hours": 0})).is_success
    await clinic.put(path, {"url": receiver.url, "events": ["patient.*"]})
    await told(clinic, new_id(), 2)
    await drain()
    assert versions(receiver)[-1] == 2


async def test_a_worker_that_died_leaves_nothing_undone(
    clinic: Clinic, clock: Clock, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    await hook(receiver)
    entity = new_id()
    await told(clinic, entity, 1)
    await told(clinic, entity, 2)
    await relaying.sweep()
    (claimed,) = await delivery.claim(delivery.WELL, 9)  # and the worker dies
    assert await drain() == 0
    clock.forward(seconds=31)
    await drain()
    assert versions(receiver) == [1, 2]
    # It was only frozen: what it holds is not its any more.
    egress = Egress(anywhere=True)
    await delivery.deliver(claimed, egress, notice=webhook_tasks.tell)
    await egress.close()
    assert versions(receiver) == [1, 2]


async def test_two_relays_at_once_hand_each_event_on_once(
    clinic: Clinic, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    await hook(receiver)
    for version in range(20):
        await told(clinic, new_id(), version)
    counts = await asyncio.gather(*(relaying.relay(clinic.tenant_id) for _ in range(4)))
    assert sum(counts) == 20
    await drain()
    assert sorted(versions(receiver)) == list(range(20))


async def test_r17_a_dead_and_a_slow_endpoint_delay_nobody_else(
    clinic: Clinic, other_clinic: Clinic, hook: Hook, receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(egress_module, "TIMEOUT_S", 1.0)
    settings = database().settings
    stop, bell = asyncio.Event(), asyncio.Event()
    async with receiving(pause=30.0) as mute:
        await hook(mute)
        await hook(mute)
        body = {"url": receiver.url, "events": ["patient.*"]}
        await other_clinic.make("/webhooks", body)
        for version in range(100):
            await told(clinic, new_id(), version)
        await relaying.sweep()
        notice = webhook_tasks.tell
        working = [asyncio.create_task(loop.run(settings, bell=bell, stop=stop, notice=notice)),
                   asyncio.create_task(relaying.run(bell=asyncio.Event(), stop=stop))]  # fmt: skip
        await asyncio.sleep(0.3)
        begun = asyncio.get_running_loop().time()
        for version in range(20):
            await told(other_clinic, new_id(), version)
        while len(receiver.came) < 20:
            assert asyncio.get_running_loop().time() - begun < 5
            await asyncio.sleep(0.02)
        stop.set()
        bell.set()
        await asyncio.gather(*working)
        assert mute.came
        assert mute.most_open <= 2 * delivery.WELL.of_endpoint


async def test_a_body_is_the_same_bytes_at_each_attempt(
    clinic: Clinic, clock: Clock, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    await hook(receiver)
    receiver.status = lambda _: 500
    await told(clinic, new_id(), 1)
    await drain()
    clock.forward(minutes=1)
    await drain()
    first, second = receiver.came
    assert first.body == second.body
    assert first.id == second.id
    assert first.headers["webhook-timestamp"] != second.headers["webhook-timestamp"]


async def test_an_address_that_turned_private_is_a_failure_and_tried_again(
    clinic: Clinic, hook: Hook, receiver: Receiver
) -> None:
    """SEC-29 at each send: the endpoint was made while its address was allowed."""
    made = await hook(receiver)
    await told(clinic, new_id(), 1)
    guarded = Egress()
    await loop.drain(guarded, notice=webhook_tasks.tell)
    await guarded.close()
    (row,) = await deliveries(clinic, made)
    assert receiver.came == []
    assert (row["status"], row["attempts"][0]["error"]) == ("pending", "url")


def test_the_lease_outlasts_a_call_twice() -> None:
    assert 2 * timedelta(seconds=TIMEOUT_S) < delivery.LEASE
