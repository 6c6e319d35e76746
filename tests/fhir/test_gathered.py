"""What a Bundle writes together: all of it, and in time for the entries that look for it."""

from typing import Any
from uuid import uuid4

import pytest

from chroniccare.core.errors import Conflict
from chroniccare.core.ids import new_id
from chroniccare.fhir import creating, transactions
from chroniccare.platform.gathering import Gathered, each, gathered, later
from chroniccare.platform.postgres import Command, Tx, begin
from tests.client import Clinic
from tests.fhir.examples import to
from tests.fhir.server import Server
from tests.fhir.stored.made import pressure
from tests.fhir.test_transaction import entry, send
from tests.fhir.test_write import RICH, SMALL

_EVENTS = Command(
    "SELECT entity_id::text FROM outbox WHERE event_type = 'patient.created' ORDER BY id"
)
SSN = "http://hl7.org/fhir/sid/us-ssn"


async def test_entries_find_what_others_wrote(fhir: Server) -> None:
    unless = {"ifNoneExist": f"identifier={SSN}|999-99-1234"}
    found = f"Patient?identifier={SSN}|999-99-1234"
    answer = await send(
        fhir, "transaction",
        entry("POST", "Patient", RICH, fullUrl=f"urn:uuid:{uuid4()}"),
        entry("POST", "Patient", {**SMALL, "identifier": [{"value": "N-1"}]}),
        entry("POST", "Patient", SMALL, request=unless),
        entry("POST", "Observation", {**pressure("x", 120), "subject": to(found)}),
        entry("GET", found),
        entry("GET", "Patient?identifier=|N-1"),
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    rich, other, again, measured, searched, last = answer.json()["entry"]
    assert [one["response"]["status"][:3] for one in (rich, other, again)] == ["201", "201", "200"]
    made = rich["resource"]
    assert again["resource"] == made
    assert measured["resource"]["subject"]["reference"] == f"Patient/{made['id']}"
    assert [one["resource"] for one in searched["resource"]["entry"]] == [made]
    assert [one["resource"]["id"] for one in last["resource"]["entry"]] == [other["resource"]["id"]]
    assert await fhir.read("Patient", made["id"]) == made


async def test_each_record_has_its_audit_and_its_event(clinic: Clinic, fhir: Server) -> None:
    answer = await send(fhir, "transaction", *(entry("POST", "Patient", SMALL) for _ in range(5)))
    ids = [one["resource"]["id"] for one in answer.json()["entry"]]
    for record_id in ids:
        [noted] = await fhir.ids(f"AuditEvent?entity=Patient/{record_id}&action=C")
        assert noted
    async with begin(clinic.caller) as tx:
        assert await tx.values(_EVENTS) == ids


def numbered(value: str) -> dict[str, Any]:
    return {**SMALL, "identifier": [{"type": {"coding": [{"code": "MR"}]}, "value": value}]}


@pytest.mark.parametrize(
    ("bad", "place"),
    [
        (numbered("T-1"), "Patient.identifier"),
        ({**SMALL, "birthDate": "1800-01-01"}, "Patient.birthDate"),
        ({**SMALL, "gender": "x"}, "Patient.gender"),
        ({**SMALL, "generalPractitioner": [to(f"Practitioner/{uuid4()}")]}, "Patient.general"),
    ],
    ids=["taken", "past", "invalid", "unknown"],
)
async def test_what_is_refused_says_which_entry_it_is(
    fhir: Server, bad: dict[str, Any], place: str
) -> None:
    entries = [entry("POST", "Patient", one) for one in (numbered("T-1"), SMALL, bad, SMALL)]
    answer = await send(fhir, "transaction", *entries)
    assert answer.status_code in {400, 409, 422}, answer.text
    [where] = answer.json()["issue"][0]["expression"]
    wanted = place.replace("Patient", "Bundle.entry[2].resource")
    assert where.startswith(wanted), where
    assert await fhir.ids("Patient") == []


async def test_patients_who_refer_to_each_other_are_made_in_turn(
    clinic: Clinic, fhir: Server
) -> None:
    doctor = (await clinic.provider())["id"]
    first, second = (f"urn:uuid:{uuid4()}" for _ in range(2))
    cared = {**RICH, "generalPractitioner": [to(f"Practitioner/{doctor}")]}
    linked = {**SMALL, "link": [{"other": to(first), "type": "seealso"}]}
    answer = await send(
        fhir, "transaction",
        entry("POST", "Patient", cared, fullUrl=first),
        entry("POST", "Patient", SMALL),
        entry("POST", "Patient", linked, fullUrl=second),
        entry("POST", "Patient", {**SMALL, "link": [{"other": to(second), "type": "seealso"}]}),
    )  # fmt: skip
    assert answer.status_code == 200, answer.text
    made = [one["resource"] for one in answer.json()["entry"]]
    assert made[2]["link"][0]["other"] == to(f"Patient/{made[0]['id']}")
    assert made[3]["link"][0]["other"] == to(f"Patient/{made[2]['id']}")
    for one in made:
        assert await fhir.read("Patient", one["id"]) == one


async def test_what_is_refused_in_a_batch_spoils_nothing_beside_it(
    clinic: Clinic, fhir: Server
) -> None:
    """Thirty entries share transactions; the one that is refused has the others done alone."""
    posted = [entry("POST", "Patient", numbered(f"B-{number % 29}")) for number in range(30)]
    answer = await send(fhir, "batch", *posted, entry("POST", "Basic", {"resourceType": "Basic"}))
    assert answer.status_code == 200, answer.text
    entries = answer.json()["entry"]
    statuses = [one["response"]["status"][:3] for one in entries]
    assert sorted(statuses[:30]) == ["201"] * 29 + ["409"]
    assert statuses[30] in {"400", "404"}
    made = [one["resource"]["id"] for one in entries[:30] if "resource" in one]
    async with begin(clinic.caller) as tx:
        assert sorted(await tx.values(_EVENTS)) == sorted(made)
    assert len(await fhir.ids("Patient?_count=100")) == 29


async def test_entries_whose_commit_went_wrong_are_not_made_again(
    fhir: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(transactions, "_answered", fail)
    answer = await send(fhir, "batch", *(entry("POST", "Patient", SMALL) for _ in range(3)))
    assert [one["response"]["status"] for one in answer.json()["entry"]] == ["500"] * 3
    assert len(await fhir.ids("Patient")) == 3


async def test_nothing_that_was_gathered_is_lost(clinic: Clinic) -> None:
    put = Command(
        "INSERT INTO suppressions (id, tenant_id, channel, value, reason, created_at)"
        " VALUES ($1, $2, 'sms', $3, 'test', $4)"
    )
    kept = Command("SELECT value FROM suppressions ORDER BY value")

    async def write(tx: Tx, value: str) -> None:
        await later(tx, put, new_id(), tx.caller.tenant_id, value, tx.now)

    async with begin(clinic.caller) as tx:
        async with gathered(tx):
            await write(tx, "a")
        await write(tx, "b")
    with pytest.raises(RuntimeError, match="gathered"):
        async with begin(clinic.caller) as tx:
            tx.gathered = Gathered()
            await write(tx, "c")
    async with begin(clinic.caller) as tx:
        assert await tx.values(kept) == ["a", "b"]


async def test_rows_of_earlier_entries_blame_no_later_one(
    fhir: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(tx: Tx) -> None:
        if tx.gathered is not None and tx.gathered.rows:
            raise Conflict

    monkeypatch.setattr(transactions, "settle", fail)
    answer = await send(
        fhir, "transaction", entry("POST", "Patient", SMALL),
        entry("POST", "Patient", SMALL, request={"ifNoneExist": f"identifier={SSN}|1"}),
    )  # fmt: skip
    assert answer.status_code == 409, answer.text
    assert "entry" not in answer.text


async def test_several_are_made_in_the_order_of_their_numbers(
    fhir: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[list[str]] = []

    async def noted(tx: Tx, query: Any, arguments: Any) -> list[Any]:
        orders.append([one[0]["mrn"] for one in arguments])
        return await each(tx, query, arguments)

    monkeypatch.setattr(creating, "each", noted)
    wanted = ["O-3", "O-1", "O-2"]
    for kind in ("batch", "transaction"):
        posted = [entry("POST", "Patient", numbered(f"{one}{kind}")) for one in wanted]
        answer = await send(fhir, kind, *posted)
        made = [one["resource"]["identifier"] for one in answer.json()["entry"]]
        said = [next(one["value"] for one in numbers if "type" in one) for numbers in made]
        assert said == [f"{one}{kind}" for one in wanted]
        assert orders.pop() == sorted(said)
