"""Subscriptions: verified, told of what they are about, numbered, and no further than allowed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from chroniccare.core.caller import system
from chroniccare.core.errors import Forbidden
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.subscriptions import actions
from chroniccare.fhir.validation import parse
from chroniccare.platform.egress import Egress
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import begin
from chroniccare.tasks import webhooks as webhook_tasks
from chroniccare.tenancy.actions import create_key, revoke_key, rotate_key
from chroniccare.tenancy.rules import SCOPES, parse_key
from chroniccare.tenancy.smart_scopes import parse_all
from chroniccare.webhooks import loop, relaying, signing
from chroniccare.webhooks.actions import emit
from chroniccare.worker import SHAPES
from tests.client import Clinic
from tests.conftest import PEPPER, Running
from tests.fhir.server import Server, prescription, visit
from tests.smart.conftest import JWKS
from tests.webhooks.receiver import Came, Receiver, receiving

Drain = Callable[[], Awaitable[int]]
TOPIC = "http://127.0.0.1:8000/fhir/SubscriptionTopic/"
SECRET = "urn:chroniccare:webhook-secret"


@pytest.fixture
async def drain(running: Running, database_url: str) -> AsyncIterator[Drain]:
    """Deliver to loopback until nothing is due; what other tests left is passed over."""
    async with owner_connection(database_url) as owner:
        await owner.execute("UPDATE webhook_endpoints SET enabled = false")
        await owner.execute("UPDATE outbox SET relayed_at = now() WHERE relayed_at IS NULL")
    database = running.platform.database
    before = database.settings
    database.settings = before.model_copy(update={"webhook_targets": "any"})
    egress = Egress(anywhere=True)
    try:
        yield lambda: loop.drain(egress, SHAPES, notice=webhook_tasks.tell)
    finally:
        database.settings = before
        await egress.close()


@pytest.fixture
async def receiver(drain: Drain) -> AsyncIterator[Receiver]:
    del drain  # loopback may be named only while it stands
    async with receiving() as made:
        yield made


def body(receiver: Receiver, criteria: str, **channel: Any) -> dict[str, Any]:
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "The tests want to know.",
        "criteria": criteria,
        "channel": {"type": "rest-hook", "endpoint": receiver.url,
                    "payload": "application/fhir+json", **channel},
    }  # fmt: skip


async def made(fhir: Server, receiver: Receiver, criteria: str, **channel: Any) -> tuple[str, str]:
    """Subscribe; return id and secret."""
    response = await fhir.send("POST", "/Subscription", json=body(receiver, criteria, **channel))
    assert response.status_code == 201, response.text
    said = response.json()
    assert said["status"] == "requested"
    [extension] = said["channel"]["extension"]
    assert extension["url"] == SECRET
    return said["id"], extension["valueString"]


def told(came: Came) -> dict[str, Any]:
    """Return what a notification says, which is valid R4."""
    bundle = parse("Bundle", came.body)
    assert bundle["type"] == "history"
    status = bundle["entry"][0]["resource"]
    found: dict[str, Any] = {"events": []}
    for one in status["parameter"]:
        if one["name"] == "notification-event":
            parts = {part["name"]: part for part in one["part"]}
            found["events"].append(
                (int(parts["event-number"]["valueString"]),
                 parts.get("focus", {}).get("valueReference", {}).get("reference"))
            )  # fmt: skip
        else:
            [value] = [value for name, value in one.items() if name != "name"]
            found[one["name"]] = value
    return found


def is_signed(came: Came, secret: str) -> bool:
    text = signing.signed_text(came.id, int(came.headers["webhook-timestamp"]), came.body)
    return came.headers["webhook-signature"] == signing.signature(secret, text)


async def move(clinic: Clinic, booked: dict[str, Any]) -> None:
    start = datetime.fromisoformat(booked["scheduled_start"]) + timedelta(hours=1)
    response = await clinic.post(
        f"/appointments/{booked['id']}/reschedule", {"scheduled_start": start.isoformat()}
    )
    assert response.status_code == 200, response.text


async def cancel(clinic: Clinic, booked: dict[str, Any]) -> None:
    why = {"cancellation_reason": "Patient asked for it", "notify_patient": False}
    response = await clinic.delete(f"/appointments/{booked['id']}", json=why)
    assert response.status_code == 200, response.text


async def test_a_subscription_is_verified_then_active_and_its_events_are_numbered(
    fhir: Server, receiver: Receiver, drain: Drain
) -> None:
    made_id, secret = await made(fhir, receiver, TOPIC + "appointment-booked")
    await drain()
    [shake] = receiver.came
    assert is_signed(shake, secret)
    assert shake.headers["content-type"] == "application/fhir+json"
    assert told(shake)["type"] == "handshake"
    assert (await fhir.read("Subscription", made_id))["status"] == "active"

    first, second = await visit(fhir.clinic), await visit(fhir.clinic)
    await move(fhir.clinic, first)
    await cancel(fhir.clinic, second)
    await drain()
    came = [told(one) for one in receiver.came[1:]]
    assert {one["type"] for one in came} == {"event-notification"}
    assert {one["topic"] for one in came} == {TOPIC + "appointment-booked"}
    assert sorted(event for one in came for event in one["events"]) == [
        (1, f"http://127.0.0.1:8000/fhir/Appointment/{first['id']}"),
        (2, f"http://127.0.0.1:8000/fhir/Appointment/{second['id']}"),
    ]
    for one in receiver.came:
        assert is_signed(one, secret)

    state = await fhir.search(f"Subscription/{made_id}/$status")
    said = {one["name"]: one for one in state["entry"][0]["resource"]["parameter"]}
    assert said["status"]["valueCode"] == "active"
    assert said["events-since-subscription-start"]["valueString"] == "2"
    every = await fhir.search(f"Subscription/$status?id={made_id}")
    assert [one["resource"] for one in every["entry"]] == [state["entry"][0]["resource"]]


async def test_each_topic_is_told_of_its_own_events(
    fhir: Server, receiver: Receiver, drain: Drain
) -> None:
    clinic = fhir.clinic
    for topic in ("appointment-cancelled", "appointment-rescheduled", "medication-adherence-low"):
        await made(fhir, receiver, TOPIC + topic)
    await drain()
    receiver.came.clear()
    booked, drug = await visit(clinic), await prescription(clinic)
    await clinic.post(f"/appointments/{booked['id']}/confirm")
    await move(clinic, booked)
    await cancel(clinic, booked)
    async with begin(clinic.caller) as tx:
        await emit(
            tx, "medication.adherence.low", entity_type="medication", entity_id=_id(drug),
            payload={"version": 1},
        )  # fmt: skip
    await drain()
    came = {told(one)["topic"].removeprefix(TOPIC): told(one)["events"] for one in receiver.came}
    base = "http://127.0.0.1:8000/fhir/"
    assert came == {
        "appointment-cancelled": [(1, f"{base}Appointment/{booked['id']}")],
        "appointment-rescheduled": [(1, f"{base}Appointment/{booked['id']}")],
        "medication-adherence-low": [(1, f"{base}MedicationRequest/{drug['id']}")],
    }
    assert len(receiver.came) == 3


def _id(record: dict[str, Any]) -> Any:
    return actions.id_of(record["id"])


async def test_a_held_time_is_booked_when_it_is_taken_up(
    fhir: Server, receiver: Receiver, drain: Drain
) -> None:
    clinic = fhir.clinic
    await made(fhir, receiver, TOPIC + "appointment-booked")
    await drain()
    receiver.came.clear()
    held = await visit(clinic, hold_minutes=10)
    await drain()
    assert receiver.came == []
    response = await clinic.post(f"/appointments/{held['id']}/book")
    assert response.status_code == 200, response.text
    await drain()
    [came] = receiver.came
    assert told(came)["events"] == [(1, f"http://127.0.0.1:8000/fhir/Appointment/{held['id']}")]


async def test_a_search_is_evaluated_against_the_record(
    fhir: Server, receiver: Receiver, drain: Drain
) -> None:
    clinic = fhir.clinic
    patient = await clinic.patient()
    criteria = f"Appointment?patient=Patient/{patient['id']}&status=cancelled"
    made_id, _ = await made(fhir, receiver, criteria)
    await drain()
    receiver.came.clear()
    wanted, other = await visit(clinic, patient=patient), await visit(clinic)
    await drain()
    assert receiver.came == []
    await cancel(clinic, wanted)
    await cancel(clinic, other)
    await drain()
    [came] = receiver.came
    assert "topic" not in told(came)
    assert told(came)["events"] == [(1, f"http://127.0.0.1:8000/fhir/Appointment/{wanted['id']}")]
    assert (await fhir.read("Subscription", made_id))["criteria"] == criteria


async def test_without_a_payload_the_body_is_empty_and_headers_are_sent_but_told_to_nobody(
    fhir: Server, receiver: Receiver, drain: Drain
) -> None:
    said = body(receiver, TOPIC + "appointment-booked", header=["Authorization: Bearer hush-hush"])
    del said["channel"]["payload"]
    response = await fhir.send("POST", "/Subscription", json=said)
    assert "hush-hush" not in response.text
    made_id = response.json()["id"]
    secret = response.json()["channel"]["extension"][0]["valueString"]
    await drain()
    await visit(fhir.clinic)
    await drain()
    assert [one.body for one in receiver.came] == [b"", b""]
    for one in receiver.came:
        assert is_signed(one, secret)
        assert one.headers["authorization"] == "Bearer hush-hush"
    read = await fhir.read("Subscription", made_id)
    assert read["channel"]["header"] == ["Authorization: ********"]
    assert "extension" not in read["channel"]
    # What is read can be written back: the header stays what it was.
    response = await fhir.send("PUT", f"/Subscription/{made_id}", json={**read, "reason": "New"})
    assert response.status_code == 200, response.text
    await visit(fhir.clinic)
    await drain()
    assert receiver.came[-1].headers["authorization"] == "Bearer hush-hush"
    assert len(receiver.came) == 3  # it was not verified anew
    async with begin(fhir.clinic.caller) as tx:
        kept = await tx.connection.fetch("SELECT request_headers::text FROM webhook_attempts")
        rows = await tx.connection.fetch("SELECT document FROM fhir_subscriptions")
        audit = await tx.connection.fetch("SELECT changes::text FROM audit_logs")
    assert "hush" not in str([*kept, *rows, *audit])


async def test_a_hidden_header_is_kept_for_its_own_server_alone(
    fhir: Server, receiver: Receiver, drain: Drain
) -> None:
    header = ["X-Clinic: one", "Authorization: Bearer hush-hush"]
    made_id, _ = await made(fhir, receiver, TOPIC + "appointment-booked", header=header)
    said = await fhir.read("Subscription", made_id)

    async def put(endpoint: str, header: list[str]) -> httpx.Response:
        channel = {**said["channel"], "endpoint": endpoint, "header": header}
        return await fhir.send("PUT", f"/Subscription/{made_id}", json={**said, "channel": channel})

    async with receiving() as other:
        hidden = ["X-Clinic: one", "Authorization: ********"]
        response = await put(other.url, hidden)
        assert response.status_code == 422
        assert response.json()["issue"][0]["expression"] == ["Subscription.channel.header[1]"]
        assert (await put(f"{receiver.url}/elsewhere", hidden)).status_code == 200
        assert (await put(other.url, ["Authorization: Bearer new"])).status_code == 200
        await drain()
    assert {one.headers["authorization"] for one in other.came} == {"Bearer new"}


async def test_an_address_that_has_not_answered_is_told_nothing(
    fhir: Server, receiver: Receiver, drain: Drain
) -> None:
    made_id, _ = await made(fhir, receiver, TOPIC + "appointment-booked")
    await drain()
    await visit(fhir.clinic)
    await relaying.relay(fhir.clinic.tenant_id, SHAPES)  # its delivery waits
    said = await fhir.read("Subscription", made_id)
    async with receiving() as other:
        other.status = lambda _: 503
        said["channel"]["endpoint"] = other.url
        response = await fhir.send("PUT", f"/Subscription/{made_id}", json=said)
        assert response.json()["status"] == "requested"
        await drain()
        assert [told(one)["type"] for one in other.came] == ["handshake"]
        assert (await fhir.read("Subscription", made_id))["status"] == "error"
        async with begin(fhir.clinic.caller) as tx:
            waits = "SELECT number FROM webhook_deliveries WHERE status = 'pending' ORDER BY number"
            assert [one[0] for one in await tx.connection.fetch(waits)] == [1, None]
            await tx.connection.execute(
                "UPDATE webhook_endpoints SET paused_until = NULL;"
                "UPDATE webhook_deliveries SET next_attempt_at = now() WHERE status = 'pending'"
            )
        other.status = lambda _: 200
        await drain()
        await drain()
        assert [told(one)["type"] for one in other.came[1:]] == ["handshake", "event-notification"]
    assert len(receiver.came) == 1


async def test_one_that_fails_says_error_and_delays_no_other(
    fhir: Server, receiver: Receiver, drain: Drain
) -> None:
    async with receiving() as dead:
        bad, _ = await made(fhir, dead, TOPIC + "appointment-booked")
        good, _ = await made(fhir, receiver, TOPIC + "appointment-booked")
        await drain()
        dead.status = lambda _: 503
        receiver.came.clear()
        await asyncio.gather(*(visit(fhir.clinic) for _ in range(3)))
        await drain()
    assert sorted(told(one)["events"][0][0] for one in receiver.came) == [1, 2, 3]
    said = await fhir.read("Subscription", bad)
    assert said["status"] == "error"
    assert said["error"] == "The last attempt failed (503); it is tried again."
    assert (await fhir.read("Subscription", good))["status"] == "active"
    assert await fhir.ids("Subscription?status=error") == [bad]


async def test_what_was_missed_is_read_by_its_numbers(
    fhir: Server, receiver: Receiver, drain: Drain
) -> None:
    made_id, _ = await made(fhir, receiver, TOPIC + "appointment-booked")
    await drain()
    ids = [(await visit(fhir.clinic))["id"] for _ in range(3)]
    await drain()

    async def events(query: str = "", **options: Any) -> list[tuple[int, str | None]]:
        method = "POST" if options else "GET"
        path = f"/Subscription/{made_id}/$events{query}"
        response = await fhir.send(method, path, **options)
        assert response.status_code == 200, response.text
        found = told(Came({}, response.content))
        assert found["type"] == "query-event"
        return [(number, focus and focus.rpartition("/")[2]) for number, focus in found["events"]]

    assert await events() == [(1, ids[0]), (2, ids[1]), (3, ids[2])]
    assert await events("?eventsSinceNumber=2") == [(2, ids[1]), (3, ids[2])]
    parameters = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "eventsSinceNumber", "valueString": "2"},
            {"name": "eventsUntilNumber", "valueString": "2"},
            {"name": "content", "valueCode": "empty"},
        ],
    }
    assert await events(json=parameters) == [(2, None)]
    for query in ("?eventsSinceNumber=x", "?content=full-resource", "?other=1"):
        response = await fhir.send("GET", f"/Subscription/{made_id}/$events{query}")
        assert response.status_code == 400


async def test_off_stops_it_and_back_on_it_is_verified_anew(
    fhir: Server, receiver: Receiver, drain: Drain
) -> None:
    made_id, _ = await made(fhir, receiver, TOPIC + "appointment-booked")
    await drain()
    said = await fhir.read("Subscription", made_id)
    late = {"If-Match": 'W/"7"'}
    response = await fhir.send("PUT", f"/Subscription/{made_id}", json=said, headers=late)
    assert response.status_code == 412
    off = await fhir.send("PUT", f"/Subscription/{made_id}", json={**said, "status": "off"})
    assert (off.json()["status"], off.headers["etag"]) == ("off", 'W/"2"')
    await visit(fhir.clinic)
    await drain()
    assert len(receiver.came) == 1
    on = await fhir.send("PUT", f"/Subscription/{made_id}", json={**said, "status": "active"})
    assert on.json()["status"] == "requested"
    await drain()
    assert told(receiver.came[-1])["type"] == "handshake"
    assert (await fhir.read("Subscription", made_id))["status"] == "active"
    response = await fhir.send("DELETE", f"/Subscription/{made_id}")
    assert response.status_code == 204
    assert (await fhir.send("DELETE", f"/Subscription/{made_id}")).status_code == 204
    assert (await fhir.send("GET", f"/Subscription/{made_id}")).status_code == 410
    assert await fhir.ids("Subscription") == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"criteria": "Observation?code=1"}, "Subscription.criteria"),
        ({"criteria": "Appointment?nonsense=1"}, "nonsense"),
        ({"criteria": "Appointment?date=x"}, "date"),
        ({"criteria": "Appointment?patient.name=x"}, "Subscription.criteria"),
        ({"criteria": "Appointment?status=booked&_include=Appointment:patient"},
         "Subscription.criteria"),
        ({"criteria": TOPIC + "nothing"}, "Subscription.criteria"),
        ({"channel": {"type": "email"}}, "Subscription.channel.type"),
        ({"channel": {"endpoint": None}}, "Subscription.channel.endpoint"),
        ({"channel": {"payload": "text/plain"}}, "Subscription.channel.payload"),
        ({"channel": {"header": ["Host: x"]}}, "Subscription.channel.header[0]"),
        ({"channel": {"header": ["no colon"]}}, "Subscription.channel.header[0]"),
        ({"channel": {"header": ["A: 1\r\nX-Evil: 1"]}}, "Subscription.channel.header[0]"),
        ({"channel": {"header": ["A: 1", "B: 2\nX-Evil: 1"]}}, "Subscription.channel.header[1]"),
        ({"channel": {"header": ["A: 1\r"]}}, "Subscription.channel.header[0]"),
        ({"channel": {"header": ["A: 1\n"]}}, "Subscription.channel.header[0]"),
        ({"channel": {"header": ["A\r\n: 1"]}}, "Subscription.channel.header[0]"),
        ({"channel": {"header": ["A: 1\x00"]}}, "Subscription.channel.header[0]"),
        ({"channel": {"header": ["A: ********"]}}, "Subscription.channel.header[0]"),
        ({"channel": {"header": ["A: 1", "a: 2"]}}, "Subscription.channel.header"),
        ({"end": "2030-01-01T00:00:00Z"}, "Subscription.end"),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_refused_and_named(
    fhir: Server, receiver: Receiver, change: dict[str, Any], place: str
) -> None:
    said = body(receiver, TOPIC + "appointment-booked")
    channel = {**said["channel"], **change.pop("channel", {})}
    channel = {name: value for name, value in channel.items() if value is not None}
    response = await fhir.send("POST", "/Subscription", json={**said, **change, "channel": channel})
    assert response.status_code == 400
    assert response.json()["issue"][0]["expression"] == [place]
    assert await fhir.ids("Subscription") == []


async def test_full_resources_are_not_sent(fhir: Server, receiver: Receiver) -> None:
    said = body(receiver, TOPIC + "appointment-booked")
    url = (
        "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content"
    )
    said["channel"]["_payload"] = {"extension": [{"url": url, "valueCode": "full-resource"}]}
    response = await fhir.send("POST", "/Subscription", json=said)
    assert response.status_code == 400


async def test_private_addresses_are_refused(fhir: Server) -> None:
    said = body(Receiver(), TOPIC + "appointment-booked")
    said["channel"]["endpoint"] = "https://10.0.0.1/in"
    response = await fhir.send("POST", "/Subscription", json=said)
    assert response.status_code == 422
    assert response.json()["issue"][0]["expression"] == ["Subscription.channel.endpoint"]


async def test_scopes_open_subscriptions_and_what_they_are_about(
    fhir: Server, receiver: Receiver
) -> None:
    said = body(receiver, TOPIC + "appointment-booked")
    clinic = fhir.clinic
    for scopes in (SCOPES - {"webhooks:write"}, SCOPES - {"appointments:read"}):
        async with begin(system(clinic.tenant_id, job="test")) as tx:
            key = await create_key(tx, pepper=PEPPER, name="few", scopes=scopes)
        response = await fhir.send("POST", "/Subscription", json=said, headers={"X-API-Key": key})
        assert response.status_code == 403
    smart = replace(clinic.caller, actor_type="smart_client", scopes=frozenset())
    for text, is_open in (
        ("system/Subscription.cruds system/Appointment.rs", True),
        ("system/Subscription.cruds", False),
        ("system/Subscription.cruds system/Appointment.rs?status=booked", False),
        ("system/Subscription.r system/Appointment.rs", False),
    ):
        caller = replace(smart, smart_scopes=parse_all(text))
        async with begin(caller) as tx:
            if is_open:
                actions.check(caller, "c")
                await actions.create(tx, said, url=receiver.url)
                continue
            with pytest.raises(Forbidden):
                actions.check(caller, "c")
                await actions.create(tx, said, url=receiver.url)


async def test_a_subscription_ends_with_the_key_that_wrote_it_and_not_with_its_rotation(
    fhir: Server, receiver: Receiver, drain: Drain
) -> None:
    async with begin(system(fhir.clinic.tenant_id, job="test")) as tx:
        key = await create_key(tx, pepper=PEPPER, name="one", scopes=SCOPES)
    said = body(receiver, TOPIC + "appointment-booked")
    response = await fhir.send("POST", "/Subscription", json=said, headers={"X-API-Key": key})
    made_id = response.json()["id"]
    await drain()
    async with begin(system(fhir.clinic.tenant_id, job="test")) as tx:
        new = await rotate_key(tx, pepper=PEPPER, key_id=_key_id(key), overlap=timedelta(0))
    await visit(fhir.clinic)
    await drain()
    assert [told(one)["type"] for one in receiver.came] == ["handshake", "event-notification"]
    await visit(fhir.clinic)
    await relaying.relay(fhir.clinic.tenant_id, SHAPES)  # its delivery waits
    async with begin(system(fhir.clinic.tenant_id, job="test")) as tx:
        await revoke_key(tx, key_id=_key_id(new))
    await drain()
    assert (await fhir.read("Subscription", made_id))["status"] == "off"
    await visit(fhir.clinic)
    await drain()
    assert len(receiver.came) == 2
    assert await told_staff(fhir) == [("credential", made_id)]
    read = await fhir.read("Subscription", made_id)
    assert (read["status"], "credential" in read["error"]) == ("off", True)
    again = await fhir.send("PUT", f"/Subscription/{made_id}", json={**read, "status": "active"})
    assert again.json()["status"] == "requested"
    await drain()
    assert (await fhir.read("Subscription", made_id))["status"] == "active"


def _key_id(key: str) -> str:
    parts = parse_key(key)
    assert parts is not None
    return parts.key_id


async def test_a_subscription_ends_with_the_smart_client_that_wrote_it(
    fhir: Server, receiver: Receiver, drain: Drain
) -> None:
    listed = ["system/Subscription.cruds", "system/Appointment.rs"]
    client = {"name": "Calendar", "jwks": JWKS, "scopes": listed}
    program = await fhir.clinic.make("/smart-clients", client)
    caller = replace(
        fhir.clinic.caller, actor_type="smart_client", actor_id=UUID(program["id"]),
        scopes=frozenset(), smart_scopes=parse_all(" ".join(listed)),
    )  # fmt: skip
    async with begin(caller) as tx:
        said = body(receiver, TOPIC + "appointment-booked")
        made_id = (await actions.create(tx, said, url=receiver.url))["id"]
    await drain()
    assert (await fhir.read("Subscription", made_id))["status"] == "active"
    await fhir.clinic.delete(f"/smart-clients/{program['id']}")
    assert (await fhir.read("Subscription", made_id))["status"] == "off"
    await visit(fhir.clinic)
    await drain()
    assert len(receiver.came) == 1
    assert await told_staff(fhir) == [("credential", made_id)]


async def told_staff(fhir: Server) -> list[tuple[str, str]]:
    """Return why which subscription was disabled by itself, as staff find it."""
    listed = await fhir.clinic.get("/tasks", params={"code": "webhook_disabled"})
    return [(one["reason"], one["focus_id"]) for one in listed.json()["data"]["items"]]


async def test_another_clinic_sees_nothing_of_it(
    fhir: Server, other_fhir: Server, receiver: Receiver, drain: Drain
) -> None:
    made_id, _ = await made(fhir, receiver, TOPIC + "appointment-booked")
    await drain()
    receiver.came.clear()
    await visit(other_fhir.clinic)
    await drain()
    assert receiver.came == []
    said = await fhir.read("Subscription", made_id)
    for method, path, options in (
        ("GET", "", {}), ("PUT", "", {"json": said}), ("DELETE", "", {}), ("GET", "/$status", {}),
        ("GET", "/$events", {}),
    ):  # fmt: skip
        response = await other_fhir.send(method, f"/Subscription/{made_id}{path}", **options)
        assert response.status_code == 404
    assert await other_fhir.ids("Subscription") == []
    # Nor do webhooks: they are not of that shape.
    assert (await fhir.clinic.get(f"/webhooks/{made_id}")).status_code == 404
    assert (await fhir.clinic.get("/webhooks")).json()["data"]["items"] == []


async def test_the_statement_tells_of_topics(fhir: Server) -> None:
    response = await fhir.send("GET", "/metadata")
    [one] = [
        each for each in response.json()["rest"][0]["resource"] if each["type"] == "Subscription"
    ]
    topics = [each["valueCanonical"].removeprefix(TOPIC) for each in one["extension"]]
    assert topics == ["appointment-booked", "appointment-cancelled", "appointment-rescheduled",
                      "medication-adherence-low"]  # fmt: skip
    found = await fhir.send(
        "POST",
        "/Subscription/_search",
        data={"status": "active"},
    )
    assert found.json()["total"] == 0
    assert (await fhir.send("GET", "/Subscription?name=x")).status_code == 400


async def test_bodies_of_another_kind_are_refused(fhir: Server, receiver: Receiver) -> None:
    said = body(receiver, TOPIC + "appointment-booked")
    for method, path, options in (
        ("POST", "", {"data": {"criteria": "x"}}),
        ("PUT", f"/{fhir.clinic.tenant_id}", {"content": str(said)}),
        ("POST", "/_search", {"json": said}),
    ):
        response = await fhir.send(method, f"/Subscription{path}", **options)
        assert response.status_code == 415


async def test_criteria_that_are_not_known_any_more_stop_nobody_else(
    fhir: Server, receiver: Receiver, drain: Drain, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(fhir, receiver, "Appointment?status=booked")
    other, _ = await made(fhir, receiver, TOPIC + "appointment-booked")
    await drain()
    receiver.came.clear()
    kind = KINDS["Appointment"]
    left = {name: one for name, one in kind.parameters.items() if name != "status"}
    monkeypatch.setitem(KINDS, "Appointment", replace(kind, parameters=left))
    await visit(fhir.clinic)
    await drain()
    [came] = receiver.came
    assert told(came)["subscription"]["reference"].endswith(other)
