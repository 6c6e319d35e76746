"""Generated requests to every operation: no server error, and only documented answers."""

import copy
import os
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core import SCHEMATHESIS_TEST_CASE_HEADER
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.client import Clinic, new_clinic
from tests.conftest import Running
from tests.contracts.operations import (
    RECORDS,
    Operation,
    by_name,
    document,
    made_records,
    operations,
)

EXAMPLES = int(os.environ.get("CHRONICCARE_FUZZ_EXAMPLES", "10"))
"""Requests of each operation and mode; `tests.chaos.fuzz` asks for more."""
PART, PARTS = map(int, os.environ.get("CHRONICCARE_FUZZ_PART", "1/1").split("/"))
"""Every so-manieth kind of request from this one on: a long run can be made in parts."""
TALLY = os.environ.get("CHRONICCARE_FUZZ_TALLY")
"""A folder for the number of requests sent: an operation with few possible ones gets fewer."""
LONG = TALLY is not None
"""Many of each: every case is sent as generated and aimed at what exists, none of them twice."""
_sent = set[int]()
# Another name switches Hypothesis's mutations and its tree of what it has tried off: half of a long
# run, which fresh cases use better.
AVAILABLE_PROVIDERS["fresh"] = HypothesisProvider
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module", autouse=True)
def tallied() -> Iterator[None]:
    yield
    if TALLY:
        Path(TALLY, str(os.getpid())).write_text(str(len(_sent)))


@pytest.fixture(scope="module")
async def fuzzed(running: Running) -> AsyncIterator[Clinic]:
    async with new_clinic(running.app, running.contract) as clinic:
        yield clinic


def can_be_wrong(operation: Operation) -> bool:
    """Say whether a request can go against the schema; If-None-Match may be any text."""
    places = {parameter["in"] for parameter in operation.document.get("parameters", [])}
    return operation.schema is not None or bool(places - {"header"})


MODES = [
    (operation, mode)
    for operation in operations()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode is GenerationMode.POSITIVE or can_be_wrong(operation)
]
CHOSEN = MODES[PART - 1 :: PARTS]


@cache
def schema() -> BaseSchema:
    """Return the document without its security, so that no key but ours is generated."""
    open_ = copy.deepcopy(document())
    del open_["components"]["securitySchemes"]
    for methods in open_["paths"].values():
        for operation in methods.values():
            operation.pop("security", None)
    return schemathesis.openapi.from_dict(open_)


@cache
def cases(method: str, path: str, mode: GenerationMode) -> st.SearchStrategy[Case[Any]]:
    """Return the strategy of one operation's requests; making it takes longer than using it."""
    return schema()[f"/api/v1{path}"][method].as_strategy(generation_mode=mode)


def aimed(value: Any, ids: dict[str, str]) -> Any:
    """Return `value` with ids of records that exist in place of those generated."""
    if isinstance(value, dict):
        return {
            name: ids[name] if name in ids and isinstance(one, str) else aimed(one, ids)
            for name, one in value.items()
        }
    return [aimed(one, ids) for one in value] if isinstance(value, list) else value


async def send(http: httpx.AsyncClient, case: Case[Any]) -> httpx.Response | None:
    """Send a case to the application in this process, byte by byte as it would go out.

    None: a long run has sent it before.
    """
    base = "http://clinic.test"
    prepared = requests.Request(**case.as_transport_kwargs(base_url=base)).prepare()
    body: Any = prepared.body or b""
    del prepared.headers[SCHEMATHESIS_TEST_CASE_HEADER]  # another one for each case
    if LONG:
        sent = (prepared.method, prepared.path_url, body, *sorted(prepared.headers.items()))
        if hash(sent) in _sent:
            return None
        _sent.add(hash(sent))
    headers: Any = {**prepared.headers, **http.headers}
    url = f"{base}{prepared.path_url}"
    return await http.request(str(prepared.method), url, headers=headers, content=body)


@pytest.fixture(scope="module")
async def ids(fuzzed: Clinic) -> dict[str, str]:
    """Records that half of the requests aim at."""
    return await made_records(fuzzed, RECORDS)


@pytest.mark.parametrize(
    ("operation", "mode"),
    CHOSEN,
    ids=lambda value: by_name(value) if isinstance(value, Operation) else str(value.value),
)
@settings(
    max_examples=EXAMPLES, derandomize=not LONG, database=None, deadline=None,
    backend="fresh" if LONG else "hypothesis",
    phases=[Phase.generate], suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(data=st.data())
async def test_generated_requests_get_documented_answers(
    fuzzed: Clinic,
    ids: dict[str, str],
    operation: Operation,
    mode: GenerationMode,
    data: st.DataObject,
) -> None:
    case = data.draw(cases(operation.method, operation.path, mode))
    for is_aimed in (False, True) if LONG else (data.draw(st.booleans()),):
        if is_aimed:
            case.path_parameters = aimed(case.path_parameters, ids)
            case.body = aimed(case.body, ids)
        response = await send(fuzzed.http, case)
        if response is None:
            continue
        assert response.status_code != 401  # the key is ours whatever was generated
        case.validate_response(response, checks=CHECKS)
        fuzzed.contract.check(response)
