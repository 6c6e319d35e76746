"""How texts ask for an answer: as the clinic wants, else as the operator has set."""

from dataclasses import replace

import pytest

from chroniccare.platform.postgres import database
from tests.notifications.support import Bench
from tests.notifications.templates.support import rule, written

_REPLY = "Reply 1 to confirm, 2 to change."


async def texted(bench: Bench, **fields: str) -> str:
    """Plan and send the confirmation of a visit by text; return what it says."""
    visit = await bench.planned(patient_id=await bench.patient(**fields))
    await bench.drain()
    [row] = [
        one
        for one in await bench.rows()
        if one.appointment_id == visit.appointment_id
        and one.notification_type == "appointment_confirmation"
    ]
    [body] = [one.body for one in await bench.outbox() if one.notification_id == row.id]
    return body


async def test_a_clinic_asks_as_it_wants_whatever_the_operator_has_set(bench: Bench) -> None:
    assert _REPLY not in await texted(bench)
    await rule(bench.clinic, asks="reply")
    assert _REPLY in await texted(bench)
    bench.channels = replace(bench.channels, asks="reply")
    await rule(bench.clinic, asks="nothing")
    assert _REPLY not in await texted(bench)
    await rule(bench.clinic, asks=None)
    assert _REPLY in await texted(bench)
    await rule(bench.clinic, asks="link")
    assert "/visits/" in await texted(bench)


async def test_replies_are_asked_for_only_where_somebody_reads_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = database().settings.model_copy(
        update={
            "reply_topics": "",
            "receipts_secret": type(database().settings.receipts_secret)(""),
        }
    )
    monkeypatch.setattr(database(), "settings", deaf)
    body = {"default_locale": "en", "max_segments": 3, "plain_letters": False, "four_eyes": False}
    answer = await bench.clinic.put("/message-policy", {**body, "asks": "reply"})
    assert (answer.status_code, answer.json()["error"]["details"][0]["field"]) == (422, "asks")
    assert (await rule(bench.clinic, asks="link"))["asks"] == "link"


@pytest.mark.parametrize(
    ("locale", "said"), [("fr", "Répondez 1 pour confirmer"), ("ko", "Reply 1 to confirm")]
)
async def test_a_clinics_own_language_asks_too(bench: Bench, locale: str, said: str) -> None:
    await rule(bench.clinic, asks="reply")
    await written(bench.clinic, "{{ clinic }}: {{ when }}. {{ reply }}", locale=locale)
    assert said in await texted(bench, language=locale)


async def test_a_clinics_own_text_says_its_telephone_number(bench: Bench) -> None:
    await written(bench.clinic, "{{ clinic }}{% if clinic_phone %}, {{ clinic_phone }}{% endif %}")
    assert (await texted(bench)).endswith(", +1 212-555-0001")
    await bench.sql("DELETE FROM contact_points WHERE facility_id = $1", bench.facility_id)
    assert (await texted(bench)).endswith(bench.facility_name)
