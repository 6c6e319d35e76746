"""A clinic's own texts on their way to patients."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from chroniccare.core.ids import new_id
from chroniccare.notifications import dispatch
from chroniccare.notifications.templates import active, engine
from chroniccare.platform.postgres import Command, begin
from tests.client import Clinic
from tests.notifications.provider import Provider, by_sms, claimed
from tests.notifications.support import Bench
from tests.notifications.templates.support import activate, rule, write, written

_INSERT = (
    "INSERT INTO message_template_versions (id, tenant_id, template_id, number, text,"
    " created_by_type, created_at) VALUES ($1, $2, $3, 2, $4, 'system', now())"
)
_ACTIVATE = "UPDATE message_templates SET active_version_id = $2 WHERE id = $1"


async def confirmed(bench: Bench, **patient: Any) -> str:
    """Book a visit in an hour and return what its confirmation says."""
    before = {kept.id for kept in await bench.outbox()}
    patient_id = await bench.patient(**patient)
    await bench.planned(bench.clock.at + timedelta(hours=1), patient_id=patient_id)
    await bench.drain()
    [kept] = [kept for kept in await bench.outbox() if kept.id not in before]
    return kept.body


async def told(bench: Bench) -> list[str]:
    """Return what the timeline says of each attempt, the message planned first at the top."""
    said = []
    for row in sorted(await bench.rows(), key=lambda row: row.id):
        timeline = await bench.clinic.get(f"/notifications/{row.id}/timeline")
        events = timeline.json()["data"]["events"]
        said += [event["text"] for event in events if event["code"] == "attempt_begun"]
    return said


async def test_a_message_gets_the_text_that_is_active_when_it_is_sent(bench: Bench) -> None:
    patient_id = await bench.patient()
    visit = await bench.planned(bench.clock.at + timedelta(days=4), patient_id=patient_id)
    template = await written(
        bench.clinic, "One from {{ clinic }}", notification_type="appointment_reminder"
    )
    bench.clock.at = visit.starts_at - timedelta(hours=72)
    await bench.drain()
    second = await bench.clinic.make(
        f"/templates/{template['id']}/versions", {"text": "Two from {{ clinic }}"}
    )
    bench.clock.at = visit.starts_at - timedelta(hours=24)
    await bench.drain()
    await activate(bench.clinic, template, second["id"])
    bench.clock.at = visit.starts_at - timedelta(hours=2)
    await bench.drain()
    name = bench.facility_name
    reminders = [kept.body for kept in await bench.outbox() if " from " in kept.body]
    assert reminders == [f"One from {name}", f"One from {name}", f"Two from {name}"]


async def test_the_timeline_says_which_text_it_was(bench: Bench) -> None:
    await confirmed(bench)
    await written(bench.clinic)
    await confirmed(bench)
    await confirmed(bench, language="es-MX")
    assert await told(bench) == [
        "Attempt 1: outbox, by sms, in the built-in text (en).",
        "Attempt 1: outbox, by sms, in the clinic's text (en, version 1).",
        "Attempt 1: outbox, by sms, in the built-in text (es).",
    ]


async def test_the_nearest_language_is_sent(bench: Bench) -> None:
    await written(bench.clinic, "en {{ clinic }}")
    await written(bench.clinic, "es-MX {{ when }}", locale="es-MX")
    await written(bench.clinic, "fr {{ when }}", locale="fr")
    assert (await confirmed(bench)).startswith("en ")
    mexican = await confirmed(bench, language="es-MX")
    assert mexican.startswith("es-MX martes 4 de marzo a la 1:00 PM EST")
    assert (await confirmed(bench, language="es")).startswith("Hola Maria:")
    assert (await confirmed(bench, language="ht")).startswith("en ")
    await rule(bench.clinic, default_locale="fr-CA")
    assert await confirmed(bench, language="ht") == "fr 2031-03-04 13:00 EST"


async def test_deactivated_is_built_in_again(bench: Bench) -> None:
    template = await written(bench.clinic, "Own {{ clinic }}")
    assert (await confirmed(bench)).startswith("Own ")
    await bench.clinic.post(f"/templates/{template['id']}/deactivate")
    assert (await confirmed(bench)).startswith("Hello Maria, your visit")


async def test_a_clinics_texts_are_its_own(bench: Bench, other_clinic: Clinic) -> None:
    await written(other_clinic, "Not yours {{ clinic }}")
    await rule(other_clinic, default_locale="es")
    assert (await confirmed(bench)).startswith("Hello Maria, your visit")


async def test_an_email_is_escaped_and_keeps_its_calendar(bench: Bench) -> None:
    await written(
        bench.clinic, "Dear {{ first_name }}", channel="email", subject="On {{ date }}",
        html="<p>{{ first_name }}</p>",
    )  # fmt: skip
    patient_id = await bench.patient(
        first_name="<i>Ann</i>", communication_preferences={"channels": ["email"]}
    )
    await bench.planned(bench.clock.at + timedelta(hours=1), patient_id=patient_id)
    await bench.drain()
    [kept] = await bench.outbox()
    assert (kept.subject, kept.body) == ("On Tue, Mar 4", "Dear <i>Ann</i>\n")
    assert kept.calendar is not None
    assert "BEGIN:VCALENDAR" in kept.calendar


async def test_plain_letters_and_segments_are_the_clinics_choice(bench: Bench) -> None:
    assert "María" in await confirmed(bench, first_name="María")
    await rule(bench.clinic, plain_letters=True)
    assert "Maria" in await confirmed(bench, first_name="María")
    await rule(bench.clinic, max_segments=1)
    assert len(await confirmed(bench, first_name="Í" * 100)) <= 160


async def test_an_attempt_that_was_never_made_gets_the_text_of_its_second_start(
    bench: Bench,
) -> None:
    provider = Provider()
    channels = by_sms(bench, provider.calls())
    stop = asyncio.Event()
    stop.set()  # the worker is to end: attempts are prepared, no call is made
    await bench.planned(bench.clock.at + timedelta(hours=1))
    await dispatch.handle(await claimed(bench), channels, stop=stop)
    assert [tried.status for tried in await bench.attempts()] == ["prepared"]
    await written(bench.clinic, "Own {{ clinic }}", locale="en")
    await dispatch.drain(channels)
    [message] = provider.got
    assert message.text.body.startswith("Own ")
    assert await told(bench) == [
        "Attempt 1: provider, by sms, in the clinic's text (en, version 1)."
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [("{{ nobody }}", "a missing variable"), ("{% if %}", "no template"),
     ("{% for i in range(10**12) %}x{% endfor %}", "a loop"),
     ("{{ ''.__class__.__mro__ }}", "a walk"), ("{{ 'x' * 10**12 }}", "a size")],
)  # fmt: skip
async def test_a_text_that_got_past_every_check_stops_only_its_own_messages(
    bench: Bench, text: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Rules change, and tables can be written to: then the messages fail, each with its reason."""
    template = await write(bench.clinic, notification_type="appointment_confirmation")
    version_id = new_id()
    async with begin(bench.clinic.caller) as tx:
        await tx.run(Command(_INSERT), version_id, bench.clinic.tenant_id, template["id"], text)
        await tx.run(Command(_ACTIVATE), template["id"], version_id)
    await bench.planned(bench.clock.at + timedelta(hours=1))
    spanish = await bench.patient(language="es")
    await bench.planned(bench.clock.at + timedelta(hours=1), patient_id=spanish)
    await bench.drain()
    found = {row.delivery_status: row.details.get("reason") for row in await bench.rows()}
    assert found == {"failed": "cannot_be_made", "delivered": None}, why
    assert len(await bench.outbox()) == 1
    assert text not in caplog.text


async def test_a_batch_asks_once_and_compiles_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await written(bench.clinic, "Own {{ clinic }}")
    compiled: list[Any] = []
    asked: list[Any] = []
    compile_one, load = engine.compiled, active.load

    def noted(*args: Any, **options: Any) -> Any:
        compiled.append(args)
        return compile_one(*args, **options)

    monkeypatch.setattr(engine, "compiled", noted)

    async def counted(*args: Any) -> Any:
        asked.append(args)
        return await load(*args)

    monkeypatch.setattr(active, "load", counted)
    patient_id = await bench.patient()
    for _ in range(2):
        visits = await bench.visits([patient_id] * 20, bench.clock.at + timedelta(hours=1))
        await bench.plan(visits)
        await bench.drain()
    assert (len(asked), len(compiled)) == (2, 1)
    assert len(await bench.outbox()) == 40


async def test_only_so_many_versions_are_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(active, "_MOST", 2)
    monkeypatch.setattr(active, "_kept", {})
    for locale in ("en", "es", "fr", "de"):
        await written(bench.clinic, f"{locale} {{{{ clinic }}}}", locale=locale)
    for locale in ("en", "es", "fr", "de", "en"):
        assert (await confirmed(bench, language=locale)).startswith(locale)
    assert len(active._kept) <= 2
