"""The daily function: a list or a file in, each message once, everything counted."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from chroniccare.notifications import rules
from chroniccare.notifications.daily import log as delivery_log
from chroniccare.notifications.daily import run as daily_run
from chroniccare.notifications.daily.source import MOST_FILE_BYTES, SourceError
from chroniccare.platform.aws_error import AwsError
from tests.notifications.daily.conftest import CSV, DAY, Bench, line, visit
from tests.notifications.support import NOON


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of no length: what is tested is what happens after them."""
    monkeypatch.setattr(delivery_log, "_PAUSES_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(rules, "_BACKOFF_BASE", timedelta(milliseconds=1))
    monkeypatch.setattr(daily_run, "_LOOK_AGAIN_S", 0.01)


def measured(text: str) -> list[dict[str, Any]]:
    """Return the lines of metrics in the function's output."""
    found = [json.loads(one) for one in text.splitlines() if one.startswith('{"_aws"')]
    for one in found:
        assert one["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "HealthcareNotifications"
        assert one["Environment"] == "dev"
    return found


async def test_a_list_goes_out_once_and_the_same_event_again_sends_nothing(bench: Bench) -> None:
    event = {"appointments": [visit(n) for n in range(30)]}
    first = await bench.run(event)
    assert first["statusCode"] == 200
    assert {name: first[name] for name in ("processed", "results", "successRate")} == {
        "processed": 30,
        "results": {"success": 30, "failed": 0, "fallback": 0},
        "successRate": "100.00%",
    }
    assert first["batchId"] == "request-1"
    assert sorted(bench.reached()) == [f"+1415555{n:04d}" for n in range(30)]
    again = await bench.run(event)
    assert again["results"] == first["results"]
    assert again["alreadySent"] == 30
    assert len(bench.reached()) == 30


async def test_the_log_has_a_row_with_a_time_to_live_and_nothing_of_the_patient_but_the_id(
    bench: Bench,
) -> None:
    await bench.run({"appointments": [visit(1)]})
    [item] = bench.logged()
    starts = NOON + timedelta(days=1)
    assert item["timestamp"] == {"N": str(int(starts.timestamp() * 1000))}
    assert item["ttl"] == {"N": str(int((NOON + timedelta(days=90)).timestamp()))}
    assert item["status"] == {"S": "SMS_SENT"}
    assert item["patientId"] == {"S": "P1"}
    assert item["messageId"]["S"] == item["attempts"]["L"][0]["M"]["messageId"]["S"]
    told = json.dumps(item)
    assert not [one for one in ("4155550001", "p1@", "Lee", "Oak", "visit") if one in told]


async def test_a_refused_text_falls_back_to_email_and_leaves_a_trace(bench: Bench) -> None:
    bench.faults("opted_out")
    found = await bench.run({"appointments": [visit(1, doctorName="<b>Lee</b>")]})
    assert found["results"] == {"success": 0, "failed": 0, "fallback": 1}
    assert bench.reached() == ["p1@example.com"]
    assert "&lt;b&gt;Lee&lt;/b&gt;" in bench.simulator.ledger.reached[0].text.replace("=\r\n", "")
    [item] = bench.logged()
    assert item["status"] == {"S": "EMAIL_SENT"}
    attempts = [one["M"] for one in item["attempts"]["L"]]
    assert [one["channel"]["S"] for one in attempts] == ["sms", "email"]
    assert attempts[0]["code"] == {"S": "opted_out"}


@pytest.mark.parametrize("fault", ["reset_after", "close_after", "garble", "timeout"])
async def test_what_may_have_gone_out_is_never_sent_again_on_its_channel(
    bench: Bench, fault: Any
) -> None:
    bench.faults(fault)
    found = await bench.run({"appointments": [visit(1, email="")]})
    assert found["results"]["failed"] == 1
    again = await bench.run({"appointments": [visit(1, email="")]})
    assert again["problems"] == [{"line": 1, "reason": "in_doubt"}]
    assert len(bench.reached()) == 1
    with_email = await bench.run({"appointments": [visit(1)]})
    assert with_email["results"]["fallback"] == 1
    assert bench.reached()[1:] == ["p1@example.com"]


async def test_a_passing_failure_is_tried_again_and_a_lasting_one_falls_back(bench: Bench) -> None:
    bench.faults("throttle", "unavailable", "ok")
    assert (await bench.run({"appointments": [visit(1)]}))["results"]["success"] == 1
    bench.faults("error", "error", "error", "ok")
    assert (await bench.run({"appointments": [visit(2)]}))["results"]["fallback"] == 1
    assert bench.reached() == ["+14155550001", "p2@example.com"]


async def test_a_denied_right_is_asked_for_a_few_times_only_and_email_goes_out(
    bench: Bench,
) -> None:
    for _ in range(20):
        bench.faults("denied")
    found = await bench.run({"appointments": [visit(n) for n in range(60)]})
    assert found["results"]["success"] == 0
    calls = [one for one in bench.simulator.ledger.calls if one.service == "sns"]
    assert len(calls) <= 20
    assert found["results"]["fallback"] + found["results"]["failed"] == 60
    assert found["results"]["fallback"] >= 40


NO_LIST: list[Any] = [[], {}, "x", None]
OTHER_SHAPES: list[Any] = [
    *({"appointments": value} for value in NO_LIST), {}, {"Records": []}, [], None, "text",
    {"date": "tomorrow"}, {"date": 5}, {"schedule": "soon"}, {"appointments": [{}], "round": "1"},
]  # fmt: skip


@pytest.mark.parametrize("event", OTHER_SHAPES)
async def test_an_event_of_another_shape_is_a_400_that_is_counted(
    bench: Bench, event: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    found = await bench.run(event)
    assert found["statusCode"] == 400
    assert found["error"]
    assert measured(capsys.readouterr().out)[0]["RejectedEvents"] == 1
    assert bench.stack.calls == []


async def test_broken_rows_are_counted_and_listed_and_stop_no_other(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    rows: list[Any] = [
        visit(1), "text", None, {}, visit(2, appointmentTime="soon"), visit(3, patientId=3),
        visit(4, phoneNumber="12", email="nobody"), visit(5, phoneNumber="12"),
        visit(6, appointmentTime=NOON.isoformat()), visit(1),
    ]  # fmt: skip
    found = await bench.run({"appointments": rows})
    assert found["results"] == {"success": 3, "failed": 6, "fallback": 1}
    assert (found["processed"], found["invalid"], found["successRate"]) == (10, 5, "40.00%")
    assert [one["line"] for one in found["problems"]] == [2, 3, 4, 5, 7, 8, 9, 10]
    assert not [
        one for one in found["problems"] if "nobody" in one["reason"] or "soon" in one["reason"]
    ]
    assert {item["status"]["S"] for item in bench.logged()} == {
        "SMS_SENT",
        "EMAIL_SENT",
        "NO_CONTACT",
    }
    [line_of_metrics] = measured(capsys.readouterr().out)
    assert line_of_metrics["FailedNotifications"] == 6
    assert line_of_metrics["InvalidRows"] == 5
    assert line_of_metrics["FallbackNotifications"] == 1


@pytest.mark.parametrize(("name", "tick"), [
    ("csv", {"schedule": "2031-03-04T17:00:00Z"}), ("json", {"date": DAY}),
    ("csv", {"detail-type": "x"}),
    ("csv", {"schedule": "<aws.scheduler.scheduled-time>"}),
])  # fmt: skip
async def test_a_tick_takes_the_days_file(bench: Bench, name: str, tick: Any) -> None:
    text = CSV + line(1) + line(2) if name == "csv" else json.dumps([visit(1), visit(2)])
    bench.stack.files[f"appointments/{DAY}.{name}"] = text.encode()
    found = await bench.run(tick)
    assert found["results"]["success"] == 2


async def test_the_day_is_the_clinics_not_utcs(bench: Bench) -> None:
    bench.stack.files["appointments/2031-03-03.csv"] = (CSV + line(1)).encode()
    found = await bench.run({"schedule": "2031-03-04T07:59:00Z"})
    assert found["processed"] == 1


async def test_a_day_without_a_list_is_an_error_and_an_empty_one_is_not(bench: Bench) -> None:
    with pytest.raises(SourceError, match="is not in the bucket"):
        await bench.run({"date": DAY})
    bench.stack.files[f"appointments/{DAY}.csv"] = CSV.encode()
    assert (await bench.run({"date": DAY}))["processed"] == 0


@pytest.mark.parametrize(("data", "told"), [
    (CSV.encode("utf-16"), "lacks the column"), (b"\x00\xff\xfe", "lacks the column"),
    (b"name\n", "lacks the column"), (b" " * (MOST_FILE_BYTES + 1), "more than"),
])  # fmt: skip
async def test_a_file_that_is_none_is_an_error_that_names_it(
    bench: Bench, data: bytes, told: str
) -> None:
    bench.stack.files[f"appointments/{DAY}.csv"] = data
    with pytest.raises(SourceError, match=told) as caught:
        await bench.run({"date": DAY})
    assert f"appointments/{DAY}.csv" in str(caught.value)
    assert bench.reached() == []


async def test_a_line_in_another_encoding_fails_alone(bench: Bench) -> None:
    bad = line(1, doctorName="Muñoz").encode("latin-1")
    bench.stack.files[f"appointments/{DAY}.csv"] = CSV.encode() + bad + line(2).encode()
    found = await bench.run({"date": DAY})
    assert found["results"] == {"success": 1, "failed": 1, "fallback": 0}
    assert found["problems"][0]["line"] == 2


async def test_a_run_that_died_is_resumed_and_only_what_is_missing_is_sent(bench: Bench) -> None:
    event = {"appointments": [visit(n) for n in range(10)]}
    await bench.run({"appointments": [visit(n) for n in range(6)]})
    for item in bench.logged()[:2]:
        # What a dead run leaves: the provider was called, and nobody knows what it said.
        item["status"] = {"S": "SENDING"}
    bench.now += timedelta(minutes=2)
    found = await bench.run(event)
    assert found["results"] == {"success": 8, "failed": 0, "fallback": 2}
    assert found["alreadySent"] == 4
    assert len(bench.reached()) == 12
    assert len([one for one in bench.reached() if one.startswith("+")]) == 10


async def test_two_runs_at_once_send_each_message_once(bench: Bench) -> None:
    bench.simulator.plan.delay_ms = 20
    event = {"appointments": [visit(n) for n in range(40)]}
    both = await asyncio.gather(bench.run(event), bench.run(event, request="request-2"))
    assert [one["results"]["success"] for one in both] == [40, 40]
    assert sum(one["alreadySent"] for one in both) == 40
    assert len(bench.reached()) == len(set(bench.reached())) == 40


async def test_a_write_whose_answer_was_lost_is_repeated_and_sends_once(bench: Bench) -> None:
    bench.stack.lost = 5
    found = await bench.run({"appointments": [visit(n) for n in range(3)]})
    assert found["results"]["success"] == 3
    assert len(bench.reached()) == 3
    assert all(len(item["attempts"]["L"]) == 1 for item in bench.logged())


async def test_without_its_log_nothing_is_sent(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.stack.denied = {"BatchGetItem"}
    with pytest.raises(AwsError, match="AccessDenied"):
        await bench.run({"appointments": [visit(1)]})
    bench.stack.denied = {"UpdateItem"}
    found = await bench.run({"appointments": [visit(1)]})
    assert found["problems"] == [{"line": 1, "reason": "delivery log: configuration"}]
    assert measured(capsys.readouterr().out)[-1]["UnloggedNotifications"] == 1
    assert bench.reached() == []


async def test_what_does_not_fit_into_the_time_is_handed_over(bench: Bench) -> None:
    rows = [visit(n) for n in range(60)]
    calls = iter([300.0] * 50)
    bench.left = lambda: next(calls, 0.0)
    found = await bench.run({"appointments": rows})
    assert 0 < found["processed"] < 60
    assert found["remaining"] == 60 - found["processed"]
    [next_event] = bench.stack.invoked
    assert len(next_event["appointments"]) == found["remaining"]
    assert (next_event["batchId"], next_event["round"]) == ("request-1", 1)
    bench.left = lambda: 300.0
    rest = await bench.run(next_event, request="request-2")
    assert rest["batchId"] == "request-1"
    assert len(bench.reached()) == len(set(bench.reached())) == 60


async def test_a_file_is_gone_on_with_by_its_day(bench: Bench) -> None:
    text = CSV + "".join(line(n) for n in range(30))
    bench.stack.files[f"appointments/{DAY}.csv"] = text.encode()
    calls = iter([300.0] * 15)
    bench.left = lambda: next(calls, 0.0)
    await bench.run({"date": DAY})
    assert bench.stack.invoked == [{"date": DAY, "batchId": "request-1", "round": 1}]
    bench.left = lambda: 300.0
    found = await bench.run(bench.stack.invoked[0])
    assert found["processed"] == 30
    assert found["remaining"] == 0
    assert len(bench.reached()) == len(set(bench.reached())) == 30


async def test_a_batch_that_does_not_move_is_an_error_not_a_circle(bench: Bench) -> None:
    bench.left = lambda: 0.0
    with pytest.raises(Exception, match="nothing moves"):
        await bench.run({"appointments": [visit(1)]})
    assert bench.stack.invoked == []
    calls = iter([300.0] * 30)
    bench.left = lambda: next(calls, 0.0)
    bench.stack.denied = {"Invoke"}
    with pytest.raises(Exception, match="cannot hand over"):
        await bench.run({"appointments": [visit(n) for n in range(60)]})


async def test_no_metric_counts_twice_what_an_earlier_run_sent(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        await bench.run({"appointments": [visit(1)]})
    first, second = measured(capsys.readouterr().out)
    assert (first["SuccessfulNotifications"], first["DeliverySuccessRate"]) == (1, 100)
    assert second["SuccessfulNotifications"] == 0
    assert "DeliverySuccessRate" not in second
    assert first["Runs"] == second["Runs"] == 1


async def test_no_log_line_holds_a_patient(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="chroniccare")
    bench.faults("opted_out", "invalid", "reset_after")
    bench.stack.lost = 1
    await bench.run({"appointments": [visit(1), visit(2, phoneNumber="12"), "x"]})
    told = " ".join(str(record.__dict__) for record in caplog.records)
    assert caplog.records
    for secret in ("4155550001", "p1@example.com", "P1", "Lee", "Oak Clinic", "A1"):
        assert secret not in told
