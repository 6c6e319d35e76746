"""Whatever is sent gets a 4xx in the envelope that names the field; nothing else breaks."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from functools import cache
from typing import Any
from uuid import uuid4

import httpx
import jsonschema_rs
import orjson
import pytest

from chroniccare.core.ids import new_id
from chroniccare.medications.adherence import queries_alerts
from chroniccare.platform.postgres import begin
from tests.client import Clinic, new_clinic
from tests.conftest import Running
from tests.contracts.operations import (
    RECORDS,
    Operation,
    by_name,
    document,
    example,
    made_records,
    operations,
    resolved,
    writing,
)

JSON = {"content-type": "application/json"}
DEEP = 100_000

BODIES: dict[str, bytes] = {
    "empty": b"",
    "not closed": b"{",
    "two documents": b"{}{}",
    "array": b"[]",
    "number": b"1",
    "null": b"null",
    "string": b'"x"',
    "nothing given": b"{}",
    "not UTF-8": b'{"first_name":"\xff\xfe"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "raw NUL": b'{"first_name":"\x00"}',
    "escaped NUL": b'{"first_name":"\\u0000"}',
    "NUL in a name": b'{"\\u0000":1}',
    "escaped surrogate": b'{"first_name":"\\ud800"}',
    "surrogate in a name": b'{"\\ud800":1}',
    "raw surrogate": b'{"first_name":"\xed\xa0\x80"}',
    "deep arrays": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "deep and open": b'{"a":[' * DEEP,
    "huge exponent": b'{"a":1e999999}',
    "long integer": b'{"a":' + b"9" * 10_000 + b"}",
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":-Infinity}',
    "many names": json.dumps({f"n{i}": i for i in range(20_000)}).encode(),
}

NEVER: dict[str, bytes] = {
    "NUL": b'"a\\u0000b"',
    "surrogate": b'"a\\ud800b"',
    "reversed surrogates": b'"\\udc00\\ud800"',
    "escape": b'"\\u001b[31m"',
    "nested NUL": b'{"a":[{"b":"\\u0000"}]}',
    "deep": b'{"a":' * 50 + b"1" + b"}" * 50,
}
SOMETIMES: dict[str, bytes] = {
    "empty text": b'""',
    "spaces": b'"   "',
    "long text": b'"' + b"x" * 100_000 + b'"',
    "wide text": json.dumps("\U0001f600" * 300).encode(),
    "null": b"null",
    "array": b"[]",
    "object": b"{}",
    "true": b"true",
    "zero": b"0",
    "negative": b"-1",
    "fraction": b"0.5",
    "huge": b"9" * 400,
    "beyond 64 bits": b"18446744073709551616",
    "exponent": b"1e400",
    "year 1": b'"0001-01-01"',
    "year 9999": b'"9999-12-31"',
    "instant of year 1": b'"0001-01-01T00:00:00+14:00"',
    "instant of year 9999": b'"9999-12-31T23:59:59-14:00"',
    "no such day": b'"2026-02-30"',
    "no offset": b'"2026-03-08T02:30:00"',
    "leap second": b'"2026-06-30T23:59:60Z"',
    "nil id": b'"00000000-0000-0000-0000-000000000000"',
    "unknown id": json.dumps(str(uuid4())).encode(),
    "zone": b'"Mars/Olympus"',
    "path": b'"../../etc/passwd"',
}
PARAMETERS = [
    "", " ", "%00", "%ff", "%ed%a0%80", "%F0%9F%98%80", "x" * 5000, "-1", "0", "201", "1e3",
    "9" * 30, "NaN", "null", "0001-01-01", "9999-12-31", "2026-02-30",
    "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00", "2026-03-08T02:30:00",
    "%27;DROP%20TABLE%20patients", "%25", "*", "%0d%0aX-Evil:%201",
]  # fmt: skip


@pytest.fixture(scope="module")
async def target(running: Running) -> AsyncIterator[Clinic]:
    async with new_clinic(running.app, running.contract) as clinic:
        yield clinic


@pytest.fixture(scope="module")
async def crowded(running: Running) -> AsyncIterator[Clinic]:
    """A clinic with two of everything, so that every list has a second page."""
    async with new_clinic(running.app, running.contract) as clinic:
        for _ in range(2):
            ids = await made_records(clinic, RECORDS)
            await _open_episode(clinic, ids["medication_id"])
        yield clinic


async def _open_episode(clinic: Clinic, medication_id: str) -> None:
    """Have a medication's adherence be low, which takes days otherwise."""
    found = (await clinic.get(f"/medications/{medication_id}")).json()["data"]
    row = {
        "id": str(new_id()), "patient_id": found["patient_id"], "medication_id": medication_id,
        "reason": "rate",
    }  # fmt: skip
    async with begin(clinic.caller) as tx:
        await tx.all(queries_alerts.OPEN, [row], clinic.tenant_id, tx.now)


@pytest.fixture(scope="module")
async def unharmed(target: Clinic) -> dict[str, str]:
    """Return records that nobody has erased; those of `ids` are by and by."""
    return await made_records(target, RECORDS)


@pytest.fixture(scope="module")
async def ids(target: Clinic) -> dict[str, str]:
    return await made_records(target, RECORDS)


def assert_refused(response: httpx.Response, *fields: str) -> None:
    """Fail unless the answer is a 4xx in the envelope that names one of `fields`, or any."""
    assert 400 <= response.status_code < 500, response.text
    body = response.json()
    assert body["success"] is False
    assert body["error"]["code"]
    assert body["error"]["message"]
    assert body["meta"]["requestId"] == response.headers["x-request-id"]
    named = [detail["field"] for detail in body["error"]["details"]]
    assert named
    assert not fields or any(name.split(".")[0] in fields for name in named), named


@pytest.mark.parametrize("operation", writing(), ids=by_name)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_a_body_that_cannot_be_read_is_refused(
    target: Clinic, ids: dict[str, str], operation: Operation, body: bytes
) -> None:
    path = operation.at(ids)
    response = await target.send(operation.method, path, content=body, headers=JSON)
    assert_refused(response)
    assert response.status_code == 400


@pytest.mark.parametrize("operation", writing(), ids=by_name)
@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "multipart/form-data", None])
async def test_a_body_of_another_type_is_refused(
    target: Clinic, ids: dict[str, str], operation: Operation, kind: str | None
) -> None:
    assert operation.schema is not None
    body = json.dumps(example(operation.schema)).encode()
    headers = {} if kind is None else {"content-type": kind}
    path = operation.at(ids)
    response = await target.send(operation.method, path, content=body, headers=headers)
    assert_refused(response)


@pytest.mark.parametrize("operation", writing(), ids=by_name)
@pytest.mark.parametrize("declared", [True, False], ids=["declared", "streamed"])
async def test_a_body_of_ten_megabytes_is_refused(
    target: Clinic, ids: dict[str, str], operation: Operation, *, declared: bool
) -> None:
    async def stream() -> AsyncIterator[bytes]:
        for _ in range(160):
            yield b" " * 65_536

    content: Any = b" " * 160 * 65_536 if declared else stream()
    path = operation.at(ids)
    response = await target.send(operation.method, path, content=content, headers=JSON)
    assert response.status_code == 413
    assert response.json()["error"]["code"] == "PAYLOAD_TOO_LARGE"


def properties(operation: Operation) -> Iterator[tuple[str, dict[str, Any]]]:
    assert operation.schema is not None
    yield from resolved(operation.schema)["properties"].items()


@cache
def body_validator(name: str) -> Any:
    """Return what judges the body of the operation of this name."""
    (schema,) = [one.schema for one in writing() if one.name == name]
    whole = {**(schema or {}), "components": document()["components"]}
    return jsonschema_rs.validator_for(whole, validate_formats=True)


@pytest.mark.parametrize(
    ("operation", "name"),
    [(operation, name) for operation in writing() for name, _ in properties(operation)],
    ids=lambda value: value.name if isinstance(value, Operation) else value,
)
async def test_a_bad_value_is_refused_with_the_name_of_its_field(
    target: Clinic, ids: dict[str, str], operation: Operation, name: str
) -> None:
    assert operation.schema is not None
    validator = body_validator(operation.name)
    good = example(operation.schema)
    for value in (*NEVER.values(), *SOMETIMES.values()):
        parts = [
            json.dumps(key).encode() + b":" + (value if key == name else json.dumps(one).encode())
            for key, one in good.items()
        ]
        body = b"{" + b",".join(parts) + b"}"
        path = operation.at(ids)
        response = await target.send(operation.method, path, content=body, headers=JSON)
        if value in NEVER.values() or not validator.is_valid(json.loads(body)):
            assert_refused(response, name, "body")
            assert response.status_code == 400, value[:60]


def readable() -> list[tuple[Operation, str]]:
    return [
        (operation, parameter["name"])
        for operation in operations()
        for parameter in operation.document.get("parameters", [])
        if parameter["in"] == "query"
    ]


def required(operation: Operation) -> list[tuple[str, Any]]:
    """Return the query parameters that must be told, with their examples."""
    return [
        (parameter["name"], example(parameter["schema"]))
        for parameter in operation.document.get("parameters", [])
        if parameter["in"] == "query" and parameter["required"]
    ]


@pytest.mark.parametrize(
    ("operation", "name"),
    readable(),
    ids=lambda value: value.name if isinstance(value, Operation) else value,
)
async def test_a_bad_parameter_is_refused_or_finds_nothing(
    target: Clinic, unharmed: dict[str, str], operation: Operation, name: str
) -> None:
    ids = unharmed
    needed = "".join(f"&{one}={value}" for one, value in required(operation) if one != name)
    # Without its body a write changes nothing, whatever the parameter says.
    others = ["x"] if operation.schema is None else ["x", "Content-Type"]
    for value in PARAMETERS:
        for query in (f"{name}={value}", f"{name}=1&{name}={value}&x=1"):
            path = f"{operation.at(ids)}?{query}{needed}"
            response = await target.send(operation.method, path)
            if response.status_code != 200:
                assert_refused(response, name, *others)
                assert response.status_code == 400
            if name == "limit":
                assert response.status_code == 400 or value in {"", "1e3"}, value
            if value == "%00":
                assert response.status_code == 400


@pytest.mark.parametrize(
    "operation", [one for one in operations() if one.method == "POST"], ids=by_name
)
@pytest.mark.parametrize("key", [b"", b" ", b"x" * 256, b"\xff", "é".encode(), b"a\tb"], ids=repr)
async def test_a_bad_idempotency_key_is_named(
    target: Clinic, ids: dict[str, str], operation: Operation, key: bytes
) -> None:
    body = b"" if operation.schema is None else json.dumps(example(operation.schema)).encode()
    headers = [(b"content-type", b"application/json"), (b"idempotency-key", key)]
    response = await target.send("POST", operation.at(ids), content=body, headers=headers)
    if key.strip():
        assert_refused(response, "Idempotency-Key")
        assert response.status_code == 400


LISTS = [one for one in operations() if (one, "cursor") in readable() and not one.ids]


def forged(cursor: str) -> Iterator[str]:
    """Yield cursors damaged in every way, some with a check that fits."""
    for place in range(0, len(cursor), 3):
        yield cursor[:place] + ("B" if cursor[place] == "A" else "A") + cursor[place + 1 :]
        yield cursor[:place]
    yield from (cursor + "A", cursor * 40, "=", "%", "%00", "%ff", "null", "-" * 100)
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))[4:]
    document_ = orjson.loads(raw)
    strange: list[Any] = [
        None, True, 0, -1, 2**53, 1.5, "", "\x00", "x" * 1000, [], {}, ["a"],
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00+14:00", "2026-01-01", str(uuid4()),
    ]  # fmt: skip
    variants = [[*document_[:at], one, *document_[at + 1 :]] for one in strange
                for at in range(len(document_))]  # fmt: skip
    for variant in (
        *variants,
        document_[:-1],
        [*document_, "x"],
        [],
        {},
        {"a": 1},
        "text",
        5,
        None,
    ):
        blob = orjson.dumps(variant)
        check = hashlib.blake2s(blob, digest_size=4).digest()
        yield base64.urlsafe_b64encode(check + blob).decode().rstrip("=")


@pytest.mark.parametrize("operation", LISTS, ids=by_name)
async def test_a_damaged_or_forged_cursor_is_named_or_harmless(
    crowded: Clinic, operation: Operation
) -> None:
    target = crowded
    first = await target.send("GET", f"{operation.path}?limit=1")
    cursor = first.json()["data"]["next_cursor"]
    assert cursor, f"{operation.name} has no second page: see RECORDS in operations.py"
    for bad in forged(cursor):
        response = await target.send("GET", f"{operation.path}?limit=1&cursor={bad}")
        if response.status_code != 200:
            assert_refused(response, "cursor")
            assert response.status_code == 400


async def test_an_unknown_address_answers_in_the_envelope(
    anonymous: httpx.AsyncClient,
) -> None:
    for method, path, status in (
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/", 404),
        ("GET", "/api/v1/patients/", 404),
        ("GET", "/%00", 404),
        ("PATCH", "/api/v1/patients", 405),
        ("TRACE", "/api/v1/patients", 405),
        ("BREW", "/api/v1/patients", 405),
    ):
        response = await anonymous.request(method, path)
        assert response.status_code == status
        assert response.json()["success"] is False
        assert response.json()["error"]["code"] in {"NOT_FOUND", "METHOD"}


async def test_the_key_is_looked_at_before_the_body(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.post(
        "/api/v1/patients", content=b"{bad", headers={"content-type": "application/json"}
    )
    assert answer.status_code == 401


async def test_an_unknown_or_repeated_query_parameter_is_named(clinic: Clinic) -> None:
    unknown = await clinic.get("/appointments", params={"patientId": "x"})
    assert unknown.status_code == 400
    assert unknown.json()["error"]["details"][0]["field"] == "patientId"
    twice = await clinic.http.get("/api/v1/patients?limit=1&limit=2")
    assert twice.json()["error"]["details"][0] == {
        "field": "limit",
        "reason": "is given more than once",
        "code": "repeated",
    }


async def test_a_body_that_is_not_called_json_is_told_so(clinic: Clinic) -> None:
    answer = await clinic.http.post("/api/v1/patients", content=b"{}")
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"] == "Content-Type"


async def test_a_refused_method_names_those_that_are_taken(clinic: Clinic) -> None:
    answer = await clinic.http.patch("/api/v1/patients")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize("start", ["2027-03-17T02:30:00+23:59", "2027-03-17T02:30:00-23:59"])
async def test_the_widest_offsets_are_instants_like_any(clinic: Clinic, start: str) -> None:
    answer = await clinic.get("/appointments", params={"from": start})
    assert answer.status_code == 200


@pytest.mark.parametrize("number", ["1e400", "NaN", "123456789012345678901234567890"])
async def test_a_number_that_cannot_be_kept_is_refused(clinic: Clinic, number: str) -> None:
    body = json.dumps(clinic.patient_body(insurance_info={"a": "HERE"})).replace('"HERE"', number)
    answer = await clinic.http.post(
        "/api/v1/patients", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["error"]["details"][0]["field"].startswith("insurance_info")
