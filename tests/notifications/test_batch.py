"""`chroniccare notify`: a file goes in, every row is counted exactly once."""

import asyncio
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chroniccare.core.errors import Invalid
from chroniccare.notifications import dispatch
from chroniccare.notifications.batch import BatchResult, notify
from chroniccare.notifications.batch_file import BatchFileError
from chroniccare.notifications.channels.message import Calls, Message, Outcome
from tests.notifications.provider import by_sms
from tests.notifications.support import NOON, Bench

SOON = (NOON + timedelta(days=1)).isoformat()
HEAD = "patientId,phoneNumber,email,appointmentTime,doctorName,location,appointmentId\n"
Notify = Callable[..., Any]


@pytest.fixture
def run(bench: Bench, tmp_path: Path) -> Notify:
    """Write a file and run it; the result's sum is checked."""

    async def run(content: str | list[Any], **options: Any) -> BatchResult:
        path = tmp_path / ("list.csv" if isinstance(content, str) else "list.json")
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        options = {"tenant_id": bench.clinic.tenant_id, "channels": bench.channels, **options}
        result = await notify(path, **options)
        parts = (result.success, result.fallback, result.failed, result.invalid)
        assert sum(parts) + result.already_sent == result.processed
        return result

    return run


async def test_every_row_gets_its_message_and_the_same_file_twice_sends_nothing(
    bench: Bench, run: Notify
) -> None:
    lines = [
        f"P{n},(415) 555-{n:04d},p{n}@example.com,{SOON},Dr. Lee,Oak Clinic,A{n}\n"
        for n in range(450)
    ]
    seen: list[tuple[int, int]] = []
    first = await run(
        HEAD + "".join(lines), progress=lambda done, total: seen.append((done, total))
    )
    assert (first.processed, first.success, first.success_rate) == (450, 450, 100.0)
    assert first.problems == []
    assert seen[-1] == (450, 450)
    kept = await bench.outbox()
    assert len(kept) == 450
    assert {one.recipient for one in kept} == {f"+1415555{n:04d}" for n in range(450)}
    assert "Oak Clinic" in kept[0].body
    assert "5:00 PM UTC" in kept[0].body
    assert "Lee" not in kept[0].body
    again = await run(HEAD + "".join(lines))
    assert (again.already_sent, again.success, again.success_rate) == (450, 0, 100.0)
    assert len(await bench.outbox()) == 450


async def test_bad_rows_are_listed_and_stop_no_other(bench: Bench, run: Notify) -> None:
    good = f"P1,4155550101,,{SOON},,,A1\n"
    rows = [
        f",4155550102,,{SOON},,,A2\n",
        "P3,4155550103,,tomorrow,,,A3\n",
        "P4,4155550104,,2031-03-05T10:00:00,,,A4\n",
        f"P5,4155550105,,{(NOON - timedelta(days=1)).isoformat()},,,A5\n",
        f"P6,4155550106,,{SOON},,,A6,too,many\n",
        f'P7,4155550107,,{SOON},"Dr.\nTwo Lines",,A7\n',
        "P8,4155550108,,2031-03-05,,,A8\n",
        "P9,4155550109,,0001-01-01T00:00:00Z,,,A9\n",
        f"P10,12,not an address,{SOON},,,A10\n",
        f"P11,,,{SOON},,,A11\n",
        f"P12,12,p12@example.com,{SOON},,,A12\n",
        f"P1,4155550101,,{SOON},,,A1\n",
        "\n",
        f"P13,4155550113,,{SOON},,,A13",
    ]
    result = await run(HEAD + good + "".join(rows))
    told = {problem.line: problem.reason for problem in result.problems}
    assert told[3] == "patientId is missing"
    assert "appointmentTime" in told[4]
    assert told[5].startswith("appointmentTime needs a UTC offset")
    assert told[6] == "appointmentTime lies in the past"
    assert told[7] == "has more fields than the first line"
    assert told[8].startswith("doctorName")
    assert "appointmentTime" in told[10]
    assert "between 1900 and 2200" in told[11]
    assert told[12].startswith("no_contact_point; phone: ")
    assert told[13] == "no_contact_point"
    assert told[14].startswith("phone: ")
    assert "earlier line" in told[15]
    assert (result.invalid, result.failed, result.already_sent) == (8, 2, 1)
    assert (result.success, result.fallback, result.processed) == (2, 1, 14)
    assert result.success_rate == round(100 * 4 / 14, 2)
    assert len(await bench.outbox()) == 3


async def test_a_quote_that_is_not_closed_swallows_no_other_row(bench: Bench, run: Notify) -> None:
    def row(number: int, doctor: str) -> str:
        return f"P{number},415555{number:04d},,{SOON},{doctor},Oak,A{number}\n"

    rows = [
        row(101, '"Dr. Lee'),
        row(102, "Dr. Lee"),
        row(103, 'Dr. Lee"'),
        row(104, '"Dr. Lee'),
        row(105, '"Lee, Dr."'),
        row(106, '"Lee" Dr.'),
        row(107, "Dr. Lee"),
        row(108, '"Dr. Lee'),
    ]
    result = await run(HEAD + "".join(rows))
    assert [problem.line for problem in result.problems] == [2, 5, 7, 9]
    assert all(problem.reason.startswith("is not CSV") for problem in result.problems)
    assert (result.processed, result.invalid, result.success) == (8, 4, 4)
    kept = {message.recipient for message in await bench.outbox()}
    assert kept == {f"+1415555{number:04d}" for number in (102, 103, 105, 107)}


async def test_a_record_of_several_lines_is_one_row_and_named_by_its_first(run: Notify) -> None:
    head = HEAD.rstrip() + ",note\n"
    rows = [
        f'P1,4155550101,,{SOON},,,A1,"first\nsecond, and\n\nlast"\n',
        f'P2,4155550102,,{SOON},,,A2,"first\r\nlast",more\n',
        f"P3,4155550103,,{SOON},,,A3,x{'x' * 140_000}\n",
        f"P4,4155550104,,{SOON},,,A4,\n",
    ]
    result = await run(head + "".join(rows))
    assert (result.processed, result.invalid, result.success) == (4, 2, 2)
    assert [problem.line for problem in result.problems] == [6, 8]


async def test_a_local_time_that_is_skipped_or_repeated_is_told(bench: Bench, run: Notify) -> None:
    rows = "".join(
        f"P{number},415555010{number},,{time},,,\n"
        for number, time in enumerate(
            ["2031-03-09T02:30:00", "2031-11-02T01:30:00", "2031-11-02T01:30:00-08:00"], start=1
        )
    )
    result = await run(HEAD + rows, zone="America/Los_Angeles")
    assert (result.invalid, result.success) == (1, 2)
    skipped, repeated = result.problems
    assert (skipped.line, repeated.line) == (2, 3)
    assert skipped.reason.startswith("appointmentTime does not exist")
    assert repeated.reason.startswith("appointmentTime occurs twice")
    bodies = sorted(message.body for message in await bench.outbox())
    assert "1:30 AM PDT" in bodies[0]
    assert "1:30 AM PST" in bodies[1]


async def test_json_is_read_as_a_list_or_under_its_name(run: Notify) -> None:
    item = {"patientId": 7, "phoneNumber": "+14155550101", "appointmentTime": SOON}
    items = ["a string", None, 5, {"patientId": {}, "appointmentTime": SOON}, item]
    result = await run(items)
    assert (result.success, result.invalid) == (1, 4)
    assert [problem.line for problem in result.problems] == [1, 2, 3, 4]
    again = await run({"appointments": [item]})
    assert again.already_sent == 1
    moved = {**item, "appointmentTime": (NOON + timedelta(days=2)).isoformat()}
    assert (await run([moved])).success == 1


async def test_a_time_zone_reads_and_shows_local_times(bench: Bench, run: Notify) -> None:
    rows = HEAD + "P1,4155550101,,2031-03-05T09:30:00,,,\n"
    await run(rows, zone="America/Los_Angeles")
    [kept] = await bench.outbox()
    assert "Wed, Mar 5 at 9:30 AM PST" in kept.body
    with pytest.raises(Invalid):
        await run(rows, zone="Mars/Olympus")


async def test_a_region_reads_national_numbers(bench: Bench, run: Notify) -> None:
    allowed = {"monthly_segments": None, "monthly_amount": None, "countries": [{"country": "GB"}]}
    assert (await bench.clinic.put("/spend/limits", allowed)).status_code == 200
    await run(HEAD + f"P1,020 7946 0958,,{SOON},,,\n", region="GB")
    assert [kept.recipient for kept in await bench.outbox()] == ["+442079460958"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "lacks the column patientId, appointmentTime"),
        ("a.csv", b"patientId\n1\n", "lacks the column appointmentTime"),
        ("a.csv", b"\xff\xfe", "UTF-8"),
        ("a.csv", b"x" * 131_073, "first line is not CSV"),
        ("a.csv", b'patientId,"appointmentTime\nP1,x\n', "first line is not CSV"),
        (
            "a.csv",
            b"patientId,email,appointmentTime, email \n1,a@example.com,x,b@example.com\n",
            "names the column email twice",
        ),
        ("a.json", b"{", "not valid JSON"),
        ("a.json", b"{}", "must be a list"),
        ("a.json", b"5", "must be a list"),
    ],
)
async def test_a_file_that_is_no_list_is_refused_in_one_line(
    bench: Bench, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BatchFileError, match=told) as error:
        await notify(tmp_path / name, tenant_id=bench.clinic.tenant_id, channels=bench.channels)
    assert "\n" not in str(error.value)
    with pytest.raises(BatchFileError, match="No such file"):
        await notify(
            tmp_path / "none.csv", tenant_id=bench.clinic.tenant_id, channels=bench.channels
        )


async def test_a_refused_text_falls_back_to_email_and_a_failed_row_can_be_mended(
    bench: Bench, run: Notify
) -> None:
    async def refuse(_message: Message) -> Outcome:
        return Outcome("rejected", "no_such_number")

    calls = Calls("provider", refuse, timedelta(seconds=5), asyncio.Semaphore(8))
    channels = by_sms(bench, calls)
    rows = HEAD + f"P1,4155550101,p1@example.com,{SOON},,,\nP2,4155550102,,{SOON},,,\n"
    result = await run(rows, channels=channels)
    assert (result.fallback, result.failed, result.success_rate) == (1, 1, 50.0)
    assert [(p.line, p.reason) for p in result.problems] == [(3, "no_such_number")]
    mended = await run(HEAD + f"P2,4155550199,,{SOON},,,\n")
    assert mended.success == 1
    assert [kept.channel for kept in await bench.outbox()] == ["email", "sms"]


async def test_an_interrupted_run_is_continued_by_the_next(bench: Bench, run: Notify) -> None:
    rows = HEAD + f"P1,4155550101,,{SOON},,,\n"
    await run(rows)
    # As kill -9 leaves it: planned and claimed, nothing handed over, the lease over.
    await bench.sql("DELETE FROM outbox_messages")
    await bench.sql("UPDATE notification_attempts SET status = 'in_flight'")
    await bench.forge(
        "UPDATE notifications SET delivery_status = 'sending', next_attempt_at = $1",
        bench.clock.at,
    )
    result = await run(rows)
    assert (result.success, result.already_sent) == (1, 0)
    assert len(await bench.outbox()) == 1


async def test_a_group_visit_reaches_each_of_its_patients(bench: Bench, run: Notify) -> None:
    rows = [f"P{n},415555010{n},,{SOON},,Oak Clinic,GROUP-1\n" for n in range(3)]
    result = await run(HEAD + "".join(rows))
    assert (result.success, result.already_sent) == (3, 0)
    assert len({message.recipient for message in await bench.outbox()}) == 3


async def test_a_later_line_that_can_be_reached_takes_the_place_of_one_that_cannot(
    bench: Bench, run: Notify
) -> None:
    rows = [f"P1,12,,{SOON},,,A1\n", f"P1,4155550101,,{SOON},,,A1\n", f"P1,12,,{SOON},,,A1\n"]
    result = await run(HEAD + "".join(rows))
    assert (result.success, result.failed, result.already_sent) == (1, 1, 1)
    assert [message.recipient for message in await bench.outbox()] == ["+14155550101"]


async def test_lines_that_repeat_a_failure_fail_with_it(run: Notify) -> None:
    result = await run(HEAD + f"P1,12,,{SOON},,,A1\n" * 2)
    assert (result.failed, result.already_sent, result.success_rate) == (2, 0, 0.0)


async def test_a_corrected_time_takes_back_what_was_left_for_the_old_one(
    bench: Bench, run: Notify
) -> None:
    await run(HEAD + f"P1,4155550101,,{SOON},,,A1\n")
    # As an interrupted run leaves it.
    await bench.sql("DELETE FROM outbox_messages")
    await bench.sql("DELETE FROM notification_attempts")
    await bench.forge(
        "UPDATE notifications SET delivery_status = 'queued', next_attempt_at = $1",
        NOON + timedelta(minutes=1),
    )
    later = (datetime.fromisoformat(SOON) + timedelta(hours=2)).isoformat()
    await run(HEAD + f"P1,4155550101,,{later},,,A1\n")
    bench.clock.forward(hours=1)
    await dispatch.drain(bench.channels)
    assert len(await bench.outbox()) == 1
