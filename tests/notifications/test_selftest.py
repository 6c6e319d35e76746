"""What the self-test says of each provider, and who hears it."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from chroniccare import worker
from chroniccare.commands.doctor import examine
from chroniccare.notifications.channels import selftest
from chroniccare.notifications.plan import LOOP
from chroniccare.platform import aws
from chroniccare.settings import Settings, variable
from chroniccare.simulator.account import Account
from chroniccare.simulator.run import Simulator
from tests.notifications.simulated import chosen
from tests.notifications.support import Bench, eventually

OTHER = "+12065550199"


async def amiss(simulator: Simulator, name: str, **changes: str) -> list[tuple[str, str, str]]:
    settings = chosen(simulator, name, **changes)
    found = await selftest.checks(settings)
    assert found
    return [(one.verdict, one.subject, one.text) for one in found if one.verdict != "ok"]


@pytest.mark.parametrize("name", ["aws", "ses", "push"])
async def test_a_healthy_account_is_well(simulator: Simulator, name: str) -> None:
    assert await amiss(simulator, name) == []
    assert {call.operation for call in simulator.ledger.calls} & {"SendEmail", "Publish"} == set()
    assert simulator.ledger.reached == []


def _changed(**fields: object) -> Callable[[Account], None]:
    def change(account: Account) -> None:
        for name, value in fields.items():
            setattr(account, name, value)

    return change


@pytest.mark.parametrize(
    ("name", "change", "expected", "words"),
    [
        ("aws", {"sms_sandbox": True}, ("fail", "SMS account"), "production access"),
        ("aws", {"sms_limit": 1}, ("fail", "SMS spend limit"), "1 USD a month"),
        ("aws", {"sms_numbers": [OTHER]}, ("fail", "SMS sender"), "not of this account"),
        ("aws", {"sms_number_status": "PENDING"}, ("fail", "SMS sender"), "is pending"),
        ("aws", {"sms_opt_outs": False}, ("warn", "SMS sender"), "self-managed"),
        ("aws", {"sms_sets": {}}, ("fail", "SMS events"), "no configuration set chroniccare"),
        ("aws", {"sms_sets": {"chroniccare": []}}, ("fail", "SMS events"), "event destination"),
        ("ses", {"ses_sandbox": True}, ("fail", "email account"), "production access"),
        ("ses", {"ses_sending": False}, ("fail", "email account"), "paused"),
        ("ses", {"ses_sent": 45_000.0}, ("warn", "email quota"), "45000 of 50000"),
        ("ses", {"ses_identities": []}, ("fail", "email sender"), "neither"),
        ("ses", {"ses_sets": {}}, ("fail", "email events"), "no configuration set chroniccare"),
        ("ses", {"ses_sets": {"chroniccare": []}}, ("fail", "email events"), "bounce, complaint"),
        ("sns", {"sns_sandbox": True}, ("fail", "SMS account"), "production access"),
        ("push", {"sns_apps": False}, ("fail", "push fcm"), "credentials"),
        ("sns", {"sns_limit": "1"}, ("fail", "SMS spend limit"), "1 USD a month"),
    ],
)
async def test_each_thing_amiss_is_named_with_what_to_do(
    simulator: Simulator, name: str, change: dict[str, object], expected: tuple[str, str],
    words: str,
) -> None:  # fmt: skip
    before = await amiss(simulator, name)
    _changed(**change)(simulator.account)
    found = next(one for one in await amiss(simulator, name) if one not in before)
    assert found[:2] == expected
    assert words in found[2]


async def test_a_driver_that_nobody_hears_from_is_warned_of(simulator: Simulator) -> None:
    for name, unset in (("aws", "sms_configuration_set"), ("ses", "ses_configuration_set")):
        [(verdict, _, text)] = await amiss(simulator, name, **{unset: ""})
        assert verdict == "warn"
        assert variable(unset) in text
    [(verdict, subject, _)] = await amiss(simulator, "sns")
    assert (verdict, subject) == ("warn", "SMS events")


async def test_a_right_that_is_missing_spoils_its_own_question_only(simulator: Simulator) -> None:
    simulator.account.denied = frozenset({"DescribeSpendLimits"})
    [(verdict, _, text)] = await amiss(simulator, "aws")
    assert (verdict, "AccessDenied" in text, "IAM" in text) == ("fail", True, True)


async def test_a_sender_id_is_taken_at_its_word(simulator: Simulator) -> None:
    assert await amiss(simulator, "aws", sms_origination="CLINIC") == []
    [(verdict, subject, _)] = await amiss(simulator, "aws", sms_origination="pool-1")
    assert (verdict, subject) == ("fail", "SMS sender")


async def test_an_absent_provider_is_a_line_and_not_a_crash(simulator: Simulator) -> None:
    found = await amiss(simulator, "aws", aws_endpoint_url="http://127.0.0.1:1")
    assert {verdict for verdict, _, _ in found} == {"fail"}
    assert all("unreachable" in text for _, _, text in found)


async def test_each_driver_of_a_list_is_asked_about(simulator: Simulator) -> None:
    settings = chosen(simulator, "aws", sms_driver="aws:80,sns:20", email_driver="ses,smtp")
    subjects = [check.subject for check in await selftest.checks(settings)]
    assert subjects.count("SMS account") == 2
    assert "email account" in subjects


async def test_nothing_is_asked_where_no_provider_is_chosen(settings: Settings) -> None:
    assert await selftest.checks(settings) == []


async def test_the_worker_logs_what_is_amiss_when_it_starts(
    bench: Bench, simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    simulator.account.ses_sandbox = True
    stop = asyncio.Event()
    bells = {LOOP: asyncio.Event()}
    loops = worker.loops(chosen(simulator, "ses"), bench.channels, bells, stop)
    task = asyncio.create_task(worker.keep({"selftest": loops["selftest"]}, stop))

    async def told() -> bool:
        return any("production access" in one.message for one in caplog.records)

    await eventually(told)
    stop.set()
    await asyncio.wait_for(task, 5)
    assert [one.levelno for one in caplog.records if "sandbox" in one.message] == [logging.ERROR]
    assert "selftest" not in worker.loops(
        chosen(simulator, "http"), bench.channels, bells, asyncio.Event()
    )


async def test_doctor_shows_it(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    simulator.account.sms_sandbox = True
    settings = chosen(simulator, "aws")
    for name in ("sms_driver", "aws_region", "aws_endpoint_url", "sms_origination"):
        monkeypatch.setenv(variable(name), getattr(settings, name))
    aws.session.cache_clear()
    found = await asyncio.to_thread(lambda: list(examine(tmp_path)))
    [line] = [one for one in found if one.subject == "SMS account"]
    assert (line.verdict, "sandbox" in line.text) == ("fail", True)
    monkeypatch.setenv(variable("sms_driver"), "http")
    monkeypatch.setenv(variable("http_sms_url"), "http://127.0.0.1:1/send")
    monkeypatch.setenv(variable("http_sms_secret"), "not to be shown")
    found = await asyncio.to_thread(lambda: list(examine(tmp_path)))
    [line] = [one for one in found if one.subject == "SMS gateway"]
    assert (line.verdict, variable("http_sms_url") in line.text) == ("fail", True)
    assert all("not to be shown" not in one.text for one in found)
    monkeypatch.setenv(variable("http_sms_url"), simulator.gateway_url)
    found = await asyncio.to_thread(lambda: list(examine(tmp_path)))
    assert [one.verdict for one in found if one.subject == "SMS gateway"] == ["ok"]
