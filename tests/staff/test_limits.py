"""Limits (SEC-33, SEC-34, SEC-35): what is too much is refused at once, faults say nothing."""

import asyncio
import gzip
import logging
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest

from chroniccare import front
from chroniccare.platform.embedded import EngineUrls
from chroniccare.staff import actions
from chroniccare.tenancy.depth import check_depth
from tests.client import Clinic

JSON = {"content-type": "application/json"}
BLANKS = '"3"' + " " * 4000


async def refused(clinic: Clinic, method: str, path: str, **options: Any) -> httpx.Response:
    """Return the answer, which must be a 4xx within a second."""
    started = time.perf_counter()
    answer = await clinic.send(method, path, **options)
    assert time.perf_counter() - started < 1
    assert 400 <= answer.status_code < 500
    return answer


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 33 + b"]" * 33,
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b"[" * 500_000,
        b'{"display_name":"x","a":' + b'[{"b":' * 40,
        b'["\\"[[[", ' + b"[" * 40,
    ],
)
async def test_sec_33_json_deeper_than_32_is_refused(clinic: Clinic, body: bytes) -> None:
    answer = await refused(clinic, "POST", "/staff", content=body, headers=JSON)
    assert [one["code"] for one in answer.json()["error"]["details"]] == ["depth"]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 32 + b"]" * 32,
        b'{"a":"' + b"[{" * 100 + b'"}',
        b'{"a":"\\"' + b"[" * 100 + b'"}',
        b"[" + b"{}," * 1000 + b"{}]",
        b'"' + b"[" * 100,
    ],
)
def test_brackets_in_text_or_side_by_side_are_no_depth(body: bytes) -> None:
    check_depth(body)


async def test_sec_33_a_megabyte_of_brackets_in_text_is_looked_through_at_once(
    clinic: Clinic,
) -> None:
    for body in (
        b'{"display_name":"' + b"[" * 1_000_000 + b'"}',
        b"[" + b"{}," * 340_000 + b"{}]",
        b'{"a":"' + b'\\"[' * 340_000,
    ):
        await refused(clinic, "POST", "/staff", content=body, headers=JSON)


async def test_sec_33_a_body_over_the_limit_is_refused(clinic: Clinic) -> None:
    async def parts() -> Any:
        for _ in range(40):
            yield b"x" * 65_536

    for content in (b"x" * 2_000_000, parts()):
        answer = await refused(clinic, "POST", "/staff", content=content, headers=JSON)
        assert answer.status_code == 413


@pytest.mark.parametrize("kind", ["gzip", "x-gzip", "deflate", "br", "zstd", "gzip, gzip"])
async def test_sec_33_a_packed_body_is_refused_unread(clinic: Clinic, kind: str) -> None:
    bomb = gzip.compress(b"[" * 10_000_000)
    answer = await refused(
        clinic, "POST", "/staff", content=bomb, headers={**JSON, "content-encoding": kind}
    )
    assert answer.json()["error"]["details"][0]["field"] == "Content-Encoding"


async def test_sec_33_a_slow_body_is_given_up(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front, "_BODY_S", 0.3)  # 20 as it ships

    async def drops() -> Any:
        for _ in range(50):
            yield b" "
            await asyncio.sleep(0.1)

    answer = await refused(clinic, "POST", "/staff", content=drops(), headers=JSON)
    assert answer.status_code == 408


@pytest.mark.parametrize(
    "header",
    [BLANKS + "x", '"3"    ' * 500 + "x", '"3",' * 1000 + "x", " " * 8000 + "x", '"' * 8001],
)
async def test_sec_33_a_header_that_a_pattern_could_choke_on(clinic: Clinic, header: str) -> None:
    body = {"email": "a@clinic.example", "display_name": "Dana", "role": "auditor"}
    staff = await clinic.make("/staff", body)
    path = f"/staff/{staff['id']}"
    await refused(clinic, "PUT", path, json=body, headers={"If-Match": header})
    for name in ("X-Request-Id", "X-Tenant", "Idempotency-Key", "If-None-Match"):
        started = time.perf_counter()
        await clinic.get(path, headers={name: header})
        assert time.perf_counter() - started < 1


@pytest.mark.parametrize("tags", ['"1"', '"0", "1"', 'W/"9","1"', ' "1" , ', '"0" "1"', "*"])
async def test_a_list_of_etags_is_still_one(clinic: Clinic, tags: str) -> None:
    body = {"email": "a@clinic.example", "display_name": "Dana", "role": "auditor"}
    staff = await clinic.make("/staff", body)
    answer = await clinic.put(f"/staff/{staff['id']}", body, headers={"If-Match": tags})
    assert answer.status_code in {200, 412}


LONG = ["a" * 4000, " " * 4000, "1 " * 2000, "(" * 4000, "1-" * 2000, "a@" * 2000, "0" * 4000]


@pytest.mark.parametrize("text", LONG)
async def test_sec_33_text_that_a_pattern_could_choke_on(clinic: Clinic, text: str) -> None:
    phone = {"telecom": [{"system": "phone", "value": text[:254]}]}
    mail = {"telecom": [{"system": "email", "value": text[:254]}]}
    for contact in (phone, mail):
        body = clinic.patient_body(contact_info=contact)
        if contact is mail or not text[:254].strip("0123456789"):
            await refused(clinic, "POST", "/patients", json=body)
    started = time.perf_counter()
    await clinic.post("/medications/sig", {"sig": text[:255] or "1"})
    assert time.perf_counter() - started < 1


async def test_sec_35_a_fault_says_nothing_but_its_request_id(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = 'relation "patients" does not exist at /srv/chroniccare/app.py line 7'

    async def boom(*_: Any, **__: Any) -> Any:
        raise RuntimeError(secret)

    monkeypatch.setattr(actions, "listed", boom)
    with caplog.at_level(logging.ERROR, "chroniccare.access"):
        answer = await clinic.http.get(
            "/api/v1/staff", headers={"X-Request-Id": "the-request-that-failed"}
        )
    assert answer.status_code == 500
    assert answer.json()["error"] == {
        "code": "INTERNAL_ERROR", "message": "Something went wrong on our side.", "details": [],
    }  # fmt: skip
    assert answer.json()["meta"]["requestId"] == "the-request-that-failed"
    for word in ("patients", "/srv", "RuntimeError", "Traceback", "asyncpg", "0.1.0"):
        assert word not in answer.text + str(answer.headers)
    [record] = [one for one in caplog.records if one.name == "chroniccare.access"]
    assert record.__dict__["requestId"] == "the-request-that-failed"


TAKER = """
import asyncio, sys, time
from chroniccare.platform.cache import Cache
async def main(url, start):
    cache = Cache(url)
    await cache.open()
    await asyncio.sleep(max(0, start - time.time()))
    taken, end = 0, start + 3
    while time.time() < end:
        taken += (await cache.take("sec-34", per_second=100, burst=50)).allowed
        await asyncio.sleep(0.004)
    await cache.close()
    print(taken)
asyncio.run(main(sys.argv[1], float(sys.argv[2])))
"""


async def test_sec_34_three_processes_share_a_limit_within_a_twentieth(urls: EngineUrls) -> None:
    start = time.time() + 2
    command = [sys.executable, "-c", TAKER, urls.cache_url, str(start)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]  # noqa: ASYNC220
    outputs = [await asyncio.to_thread(one.communicate) for one in running]
    taken = sum(int(out) for out, _ in outputs)
    assert taken == pytest.approx(50 + 3 * 100, rel=0.05)
