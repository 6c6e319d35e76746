"""Webhooks through the API."""

from typing import Any
from uuid import UUID

import pytest

from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.webhooks.conftest import Drain, Hook
from tests.webhooks.receiver import Receiver

URL = "https://93.184.215.14/in"
AUDIT = Command(
    "SELECT jsonb_build_object('action', action, 'changes', changes) FROM audit_logs"
    " WHERE entity_type = 'webhook' AND entity_id = $1 ORDER BY created_at, id"
)
STORED = Command("SELECT secret FROM webhook_endpoints WHERE id = $1")


def body(**fields: Any) -> dict[str, Any]:
    return {"url": URL, "events": ["appointment.*"], **fields}


async def audited(clinic: Clinic, webhook_id: str) -> list[dict[str, Any]]:
    async with begin(clinic.caller) as tx:
        return await tx.values(AUDIT, UUID(webhook_id))


async def test_a_secret_is_shown_once_and_never_audited(clinic: Clinic) -> None:
    made = await clinic.make("/webhooks", body())
    secret = made["secret"]
    assert secret.startswith("whsec_")
    read = await clinic.get(f"/webhooks/{made['id']}")
    listed = await clinic.get("/webhooks")
    assert secret not in read.text + listed.text
    assert read.json()["data"] == {k: v for k, v in made.items() if k != "secret"}
    assert [one["id"] for one in listed.json()["data"]["items"]] == [made["id"]]
    written = await audited(clinic, made["id"])
    assert [one["action"] for one in written] == ["create"]
    assert "secret" not in str(written).replace("previous_secret_until", "")


async def test_an_idempotency_key_makes_one_webhook_and_keeps_no_secret(clinic: Clinic) -> None:
    headers = {"Idempotency-Key": "one"}
    first = await clinic.post("/webhooks", body(), headers=headers)
    again = await clinic.post("/webhooks", body(), headers=headers)
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json()["data"] == {**first.json()["data"], "secret": None}
    assert len((await clinic.get("/webhooks")).json()["data"]["items"]) == 1
    assert [one["action"] for one in await audited(clinic, first.json()["data"]["id"])] == [
        "create", "replay",
    ]  # fmt: skip


async def test_an_ed25519_webhook_shows_its_public_key_alone(clinic: Clinic) -> None:
    made = await clinic.make("/webhooks", body(signing="ed25519"))
    assert made["public_key"].startswith("whpk_")
    assert made["secret"] is None
    rotated = (await clinic.post(f"/webhooks/{made['id']}/rotate")).json()["data"]
    assert rotated["public_key"].startswith("whpk_")
    assert rotated["public_key"] != made["public_key"]


async def test_a_webhook_is_changed_with_its_etag_and_removed(clinic: Clinic) -> None:
    made = await clinic.make("/webhooks", body())
    path = f"/webhooks/{made['id']}"
    new = body(events=["patient.created", "task.*"], description="Billing", enabled=False)
    stale = await clinic.put(path, new, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    changed = await clinic.put(path, new, headers={"If-Match": '"1"'})
    assert changed.headers["etag"] == '"2"'
    data = changed.json()["data"]
    assert (data["events"], data["description"]) == (["patient.created", "task.*"], "Billing")
    assert (data["enabled"], data["disabled_reason"]) == (False, "by_hand")
    back = (await clinic.put(path, body())).json()["data"]
    assert (back["enabled"], back["disabled_reason"]) == (True, None)
    assert (await clinic.get(path, headers={"If-None-Match": '"3"'})).status_code == 304
    assert (await clinic.delete(path, headers={"If-Match": '"2"'})).status_code == 412
    assert (await clinic.delete(path)).status_code == 200
    for response in (
        await clinic.get(path), await clinic.put(path, body()), await clinic.delete(path),
        await clinic.post(f"{path}/ping"), await clinic.get(f"{path}/deliveries"),
    ):  # fmt: skip
        assert response.status_code == 404
    assert [one["action"] for one in await audited(clinic, made["id"])] == [
        "create", "update", "update", "delete",
    ]  # fmt: skip
    async with begin(clinic.caller) as tx:
        assert await tx.value(STORED, UUID(made["id"])) == ""


async def test_a_rotation_tells_the_new_secret_and_until_when_the_old_one_holds(
    clinic: Clinic,
) -> None:
    made = await clinic.make("/webhooks", body())
    path = f"/webhooks/{made['id']}/rotate"
    headers = {"Idempotency-Key": "turn"}
    rotated = (await clinic.post(path, headers=headers)).json()["data"]
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]
    assert rotated["previous_secret_until"] is not None
    again = (await clinic.post(path, headers=headers)).json()["data"]
    assert again == {**rotated, "secret": None}
    at_once = (await clinic.post(path, params={"overlap_hours": 0})).json()["data"]
    assert at_once["previous_secret_until"] is None
    stale = await clinic.post(path, headers={"If-Match": '"1"'})
    assert stale.status_code == 412


@pytest.mark.parametrize(
    ("field", "value", "status"),
    [
        ("url", "http://example.org/", 422), ("url", "https://localhost/", 422),
        ("url", "https://169.254.169.254/latest/meta-data/", 422),
        ("url", "https://[::ffff:10.0.0.1]/", 422), ("url", "https://u:p@93.184.215.14/", 422),
        ("url", "https://93.184.215.14:8443/", 422), ("url", URL + "\r\nX-Evil: 1", 400),
        ("url", URL + "\n", 400), ("url", " " + URL, 400), ("url", URL + "#fragment", 422),
        ("url", "", 400), ("url", "https://93.184.215.14/" + "a" * 2048, 400), ("url", None, 400),
        ("events", [], 400), ("events", ["patient.eaten"], 400), ("events", ["pat*"], 400),
        ("events", ["nothing.*"], 400), ("events", ["*", "*"], 400), ("events", "*", 400),
        ("events", ["patient.created\r\nX-Evil: 1"], 400), ("events", [".*"], 400),
        ("description", "two\r\nlines", 400), ("description", "a" * 256, 400),
        ("description", None, 400), ("enabled", "yes", 400), ("signing", "rsa", 400),
        ("secret", "whsec_mine", 400),
    ],
)  # fmt: skip
async def test_sec_29_bad_input_is_refused_by_name_and_writes_nothing(
    clinic: Clinic, field: str, value: Any, status: int
) -> None:
    refused = [await clinic.post("/webhooks", body(**{field: value}))]
    assert (await clinic.get("/webhooks")).json()["data"]["items"] == []
    made = await clinic.make("/webhooks", body())
    path = f"/webhooks/{made['id']}"
    before = (await clinic.get(path)).json()["data"]
    refused.append(await clinic.put(path, body(**{field: value})))
    for one in refused:
        assert one.status_code == status
        (detail, *_) = one.json()["error"]["details"]
        assert detail["field"].split(".")[0] == field
    assert (await clinic.get(path)).json()["data"] == before


async def test_sec_29_a_name_that_leads_inside_is_refused(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await clinic.make("/webhooks", body())
    monkeypatch.setattr(
        "chroniccare.platform.public_hosts._look_up", lambda _host, port: [(2, ("10.1.2.3", port))]
    )
    inside, path = body(url="https://hooks.example.org/"), f"/webhooks/{made['id']}"
    for refused in (await clinic.post("/webhooks", inside), await clinic.put(path, inside)):
        assert refused.status_code == 422
        assert refused.json()["error"]["details"][0]["code"] == "address"
    assert (await clinic.get(path)).json()["data"]["url"] == made["url"]


async def test_another_clinics_webhook_is_not_there(clinic: Clinic, other_clinic: Clinic) -> None:
    made = await clinic.make("/webhooks", body())
    for path in ("", "/deliveries", f"/deliveries/{made['id']}"):
        found = await other_clinic.get(f"/webhooks/{made['id']}{path}")
        assert found.status_code == 404
    assert (await other_clinic.post(f"/webhooks/{made['id']}/ping")).status_code == 404


async def test_a_tenant_has_fifty_webhooks_at_most(clinic: Clinic) -> None:
    for _ in range(50):
        await clinic.make("/webhooks", body())
    refused = await clinic.post("/webhooks", body())
    assert refused.status_code == 422
    first = await clinic.get("/webhooks", params={"limit": 30})
    cursor = first.json()["data"]["next_cursor"]
    second = await clinic.get("/webhooks", params={"limit": 30, "cursor": cursor})
    assert len(second.json()["data"]["items"]) == 20


async def test_a_ping_is_sent_and_logged_without_signatures(
    clinic: Clinic, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    receiver.body = b"thank you\r\nX: y"
    receiver.status = lambda _: 200
    made = await hook(receiver, events=["patient.created"])
    sent = await clinic.post(f"/webhooks/{made['id']}/ping")
    assert sent.status_code == 202
    assert await drain() == 1
    (came,) = receiver.came
    assert came.document["type"] == "webhook.ping"
    assert came.document["data"]["entity_id"] == made["id"]
    (logged,) = (await clinic.get(f"/webhooks/{made['id']}/deliveries")).json()["data"]["items"]
    assert (logged["status"], logged["response_status"]) == ("delivered", 200)
    assert logged["event_id"] == came.id
    (attempt,) = logged["attempts"]
    assert attempt["response_start"] == "thank you  X: y"
    assert attempt["latency_ms"] >= 0
    assert attempt["request_headers"]["webhook-id"] == came.id
    assert not {"webhook-signature", "X-Chronic-Care-Signature"} & set(attempt["request_headers"])
    assert made["secret"] not in str(logged)
    alone = await clinic.get(f"/webhooks/{made['id']}/deliveries/{logged['id']}")
    assert alone.json()["data"] == logged


async def test_the_log_is_filtered_and_paged(
    clinic: Clinic, hook: Hook, drain: Drain, receiver: Receiver
) -> None:
    made = await hook(receiver)
    ids = [(await clinic.post(f"/webhooks/{made['id']}/ping")).json()["data"] for _ in range(3)]
    await drain()
    path = f"/webhooks/{made['id']}/deliveries"
    first = (await clinic.get(path, params={"limit": 2})).json()["data"]
    rest = (await clinic.get(path, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    seen = [one["id"] for one in [*first["items"], *rest["data"]["items"]]]
    assert seen == [one["id"] for one in reversed(ids)]
    one = await clinic.get(path, params={"event_id": ids[1]["event_id"]})
    assert [row["id"] for row in one.json()["data"]["items"]] == [ids[1]["id"]]
    none = await clinic.get(path, params={"status": "failed"})
    assert none.json()["data"]["items"] == []
