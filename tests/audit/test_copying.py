"""Copies of the audit: in order, at least once, without values; CloudWatch's wire on loopback."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web

from chroniccare.audit import copying, sealing
from chroniccare.audit.places import CopyError
from chroniccare.audit.places_cloudwatch import LogGroup
from chroniccare.audit.queries_copies import Copied
from chroniccare.platform import aws_model
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import Command, begin
from chroniccare.settings import SettingsError, load
from tests.audit.chain import chain_of
from tests.client import Clinic

ARN = "arn:aws:logs:us-east-1:111122223333:log-group:/clinic/audit"
AT = Command("SELECT seq FROM audit_copies")
FREE = Command("UPDATE audit_copies SET lease_until = now() - interval '1 second'")
Answer = tuple[int, dict[str, Any]]


@dataclass(slots=True)
class Logs:
    """CloudWatch Logs on loopback: what it was asked, checked against AWS's model, and has."""

    url: str = ""
    asked: list[str] = field(default_factory=list)
    streams: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    fault: Callable[[str], Answer | None] = lambda _: None

    async def handle(self, request: web.Request) -> web.Response:
        operation = request.headers["X-Amz-Target"].removeprefix("Logs_20140328.")
        assert aws_model.signed_for(request.headers["Authorization"]) == "logs"
        asked = aws_model.parse_json("logs", operation, await request.read())
        self.asked.append(operation)
        status, body = self.fault(operation) or self.answer(operation, asked)
        return web.json_response(body, status=status, content_type="application/x-amz-json-1.1")

    def answer(self, operation: str, asked: dict[str, Any]) -> Answer:
        assert asked["logGroupName"] == "/clinic/audit"
        name = asked["logStreamName"]
        if operation == "CreateLogStream":
            self.streams[name] = []
            return 200, {}
        if name not in self.streams:
            return 400, {"__type": "ResourceNotFoundException", "message": "no such stream"}
        times = [one["timestamp"] for one in asked["logEvents"]]
        assert times == sorted(times)
        assert sum(len(one["message"].encode()) + 26 for one in asked["logEvents"]) <= 1_048_576
        self.streams[name] += asked["logEvents"]
        return 200, {"nextSequenceToken": "1"}

    def messages(self, clinic: Clinic) -> list[dict[str, Any]]:
        events = self.streams.get(f"audit/{clinic.tenant_id}", [])
        return [json.loads(one["message"]) for one in events]


@pytest.fixture
async def logs(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Logs]:
    made = Logs()
    application = web.Application()
    application.router.add_post("/", made.handle)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def group(logs: Logs) -> AsyncIterator[LogGroup]:
    made = LogGroup.at(ARN, logs.url)
    yield made
    await made.close()


async def at(clinic: Clinic) -> int:
    async with begin(clinic.caller) as tx:
        return int(await tx.value(AT))


async def test_what_is_sealed_is_copied_in_order_and_once(
    clinic: Clinic, logs: Logs, group: LogGroup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "BATCH", 2)
    chain = await chain_of(clinic, 5)
    counts = [await copying.copy(group, clinic.tenant_id) for _ in range(4)]
    assert counts == [2, 2, 1, 0]
    copied = logs.messages(clinic)
    assert [one["seq"] for one in copied] == [1, 2, 3, 4, 5]
    assert [one["id"] for one in copied] == [str(one) for one in chain.ids]
    assert {one["tenant"] for one in copied} == {str(clinic.tenant_id)}
    assert all(len(one["hash"]) == 64 for one in copied)
    assert logs.asked == ["PutLogEvents", "CreateLogStream", *["PutLogEvents"] * 3]
    assert await at(clinic) == 5


async def test_a_copy_has_ids_and_names_of_fields_and_no_value(
    clinic: Clinic, tmp_path: Path
) -> None:
    body = clinic.patient_body(first_name="Zebulonia", last_name="Quagmirez")
    patient = await clinic.make("/patients", body)
    await clinic.put(f"/patients/{patient['id']}", {**body, "language": "es"})
    await clinic.get(f"/patients/{patient['id']}")
    await sealing.seal(clinic.tenant_id)
    place = copying.FilePlace(tmp_path / "audit.jsonl")
    assert await copying.copy(place, clinic.tenant_id) == 3
    text = place.path.read_text()
    for value in ("Zebulonia", "Quagmirez", patient["mrn"], "127.0.0.1"):
        assert value not in text
    created, updated, read = [json.loads(line) for line in text.splitlines()]
    assert {one["entity_id"] for one in (created, updated, read)} == {patient["id"]}
    assert updated["fields"] == ["language", "updated_at", "version"]
    assert (read["action"], read["purpose"], read["outcome"]) == ("read", "treatment", "success")
    assert read["fields"] == []
    assert "first_name" in created["fields"]
    assert place.path.stat().st_mode & 0o777 == 0o600


THROTTLED: Answer = (400, {"__type": "ThrottlingException", "message": "Rate exceeded"})
REJECTED: Answer = (200, {"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 0}})
GONE: Answer = (400, {"__type": "ResourceNotFoundException", "message": "no such group"})
DOWN: Answer = (503, {"__type": "ServiceUnavailableException"})


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (THROTTLED, "throttled"), (REJECTED, "events_rejected"), (GONE, "configuration"),
        (DOWN, "unavailable"),
    ],
)  # fmt: skip
async def test_what_is_not_taken_is_copied_again(
    clinic: Clinic, logs: Logs, group: LogGroup, answer: Answer, code: str
) -> None:
    await chain_of(clinic, 2)
    logs.fault = lambda _: answer
    for _ in range(2):  # the lease does not stand in the way of the next try
        with pytest.raises(CopyError) as caught:
            await copying.copy(group, clinic.tenant_id)
        assert caught.value.code.split(" ")[0] == code
        assert await at(clinic) == 0
    logs.fault = lambda _: None
    assert await copying.copy(group, clinic.tenant_id) == 2
    assert [one["seq"] for one in logs.messages(clinic)] == [1, 2]


async def test_a_stream_that_somebody_else_made_meanwhile_is_used(
    clinic: Clinic, logs: Logs, group: LogGroup
) -> None:
    await chain_of(clinic, 1)

    def there(operation: str) -> Answer | None:
        if operation != "CreateLogStream":
            return None
        logs.streams[f"audit/{clinic.tenant_id}"] = []
        return 400, {"__type": "ResourceAlreadyExistsException"}

    logs.fault = there
    assert await copying.copy(group, clinic.tenant_id) == 1


async def test_nobody_listens(clinic: Clinic, logs: Logs) -> None:
    del logs
    await chain_of(clinic, 1)
    group = LogGroup.at(ARN, "http://127.0.0.1:9")
    with pytest.raises(CopyError) as caught:
        await copying.copy(group, clinic.tenant_id)
    assert caught.value.code.startswith("unreachable")
    await group.close()


async def test_only_one_worker_copies_a_clinic_at_a_time_and_a_dead_one_is_followed(
    clinic: Clinic,
) -> None:
    await chain_of(clinic, 3)
    taken: list[bytes] = []
    begun, go = asyncio.Event(), asyncio.Event()

    class Slow:
        async def put(self, tenant_id: UUID, rows: list[bytes], at: datetime) -> None:
            del tenant_id, at
            taken.extend(rows)
            begun.set()
            await go.wait()

    first = asyncio.create_task(copying.copy(Slow(), clinic.tenant_id))
    await begun.wait()
    assert await copying.copy(Slow(), clinic.tenant_id) == 0
    async with begin(clinic.caller) as tx:  # as if the first had died long ago
        await tx.run(FREE)
    go.set()
    assert await copying.copy(Slow(), clinic.tenant_id) == 3
    assert len(taken) == 6
    assert await first == 3  # and what it writes down late changes nothing
    assert await at(clinic) == 3


async def test_a_row_that_was_removed_leaves_its_seal_in_the_copy(
    clinic: Clinic, database_url: str, tmp_path: Path
) -> None:
    chain = await chain_of(clinic, 3)
    async with owner_connection(database_url) as owner:
        await chain.delete(owner, 2, seal=False)
    place = copying.FilePlace(tmp_path / "audit.jsonl")
    assert await copying.copy(place, clinic.tenant_id) == 3
    lines = [json.loads(line) for line in place.path.read_text().splitlines()]
    assert [one["seq"] for one in lines] == [1, 2, 3]
    assert set(lines[1]) == {"tenant", "seq", "hash", "id", "fields"}


async def test_a_torn_line_spoils_no_other(clinic: Clinic, tmp_path: Path) -> None:
    await chain_of(clinic, 2)
    place = copying.FilePlace(tmp_path / "audit.jsonl")
    place.path.write_bytes(b'{"whole":1}\n{"seq":')
    assert await copying.copy(place, clinic.tenant_id) == 2
    await place.put(clinic.tenant_id, [b"{}"], datetime.now(UTC))
    lines = place.path.read_text().splitlines()
    assert lines[:2] == ['{"whole":1}', '{"seq":']
    assert [json.loads(line).get("seq") for line in lines[2:]] == [1, 2, None]


async def test_a_clinic_whose_copy_is_refused_stands_in_no_others_way(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    took: list[UUID] = []
    refused = min(clinic, other_clinic, key=lambda one: one.tenant_id).tenant_id

    class Picky:
        async def put(self, tenant_id: UUID, rows: list[bytes], at: datetime) -> None:
            del rows, at
            if tenant_id == refused:
                raise CopyError("configuration")
            took.append(tenant_id)

    for one in (clinic, other_clinic):
        await chain_of(one, 1)
    with pytest.raises(CopyError):
        await copying.sweep(Picky())
    assert {clinic.tenant_id, other_clinic.tenant_id} - set(took) == {refused}


async def until(so: Callable[[], bool]) -> None:
    for _ in range(2000):
        if so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


async def test_the_loop_waits_longer_after_each_failure_and_goes_on(
    clinic: Clinic,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(copying, "_PAUSE_S", 0.01)
    await chain_of(clinic, 1)
    place, stop = tmp_path / "no" / "audit.jsonl", asyncio.Event()
    settings = load({"CHRONICCARE_AUDIT_COPY": f"file:{place}"})
    running = asyncio.create_task(copying.run(settings, stop=stop))
    await until(lambda: bool(caplog.records))
    place.parent.mkdir()
    await until(lambda: place.exists() and str(clinic.tenant_id) in place.read_text())
    stop.set()
    await running
    failures = [one.__dict__["failures"] for one in caplog.records]
    assert failures == list(range(1, len(failures) + 1))
    assert "Zebu" not in caplog.text


def test_pauses_grow_up_to_five_minutes() -> None:
    waits = [copying.pause_after(count, 1.0) for count in range(1, 12)]
    assert waits == sorted(waits)
    assert (waits[0], waits[1], waits[-1]) == (5.0, 10.0, 300.0)
    assert copying.pause_after(1, 0.0) == 2.5


@pytest.mark.parametrize(
    "bad",
    ["file:relative", "cloudwatch:/clinic/audit", f"cloudwatch:{ARN}:*", "s3:bucket", "file:"],
)
def test_a_place_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(SettingsError, match="CHRONICCARE_AUDIT_COPY"):
        load({"CHRONICCARE_AUDIT_COPY": bad})


@pytest.mark.parametrize(
    ("user_type", "request_id", "is_shown"),
    [
        ("api_key", "0196b5a0-3c1e-7c4a-9f40-5b2f4d3e2a11", True),
        ("api_key", "zebulonia.1980-01-01", False),
        ("api_key", "17745550136", False),
        ("api_key", None, False),
        ("system", "audit-seals", True),
    ],
)
def test_an_id_of_a_request_is_copied_only_if_it_can_name_nobody(
    user_type: str, request_id: str | None, is_shown: bool
) -> None:
    row = Copied(
        1, b"", UUID(int=1), None, "patient", None, "read", None, user_type, None, None,
        request_id, [],
    )  # fmt: skip
    shown = json.loads(copying.shown(UUID(int=2), row))
    assert shown.get("request_id") == (request_id if is_shown else None)
