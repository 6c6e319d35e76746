"""What a message that nobody asked for has to say, in each pack, and what no other says."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chroniccare.core.ids import new_id
from chroniccare.notifications import packs, queries
from chroniccare.notifications.sealing import sealed
from chroniccare.platform.postgres import Command, begin
from tests.notifications.support import Bench
from tests.notifications.templates.support import written

_STOP = {"en": "Reply STOP for no more texts.", "es": "Responda STOP para no recibir mas."}
_EMAIL = "If you want no more messages like this one, please tell the clinic."


async def recalled(
    bench: Bench, channel: str, place: str | None = "Hillside Lab", **fields: Any
) -> Any:
    """Send a patient a recall to a place, and return what was kept of it."""
    patient_id = await bench.patient(
        consent_settings={"sms": True, "email": True},
        communication_preferences={"channels": [channel]}, **fields,
    )  # fmt: skip
    row = {
        "id": new_id(), "patient_id": patient_id, "notification_type": "recall",
        "channel": channel, "channel_plan": [channel], "priority": "normal",
        "scheduled_send_time": bench.clock.at, "next_attempt_at": bench.clock.at,
        "expires_at": bench.clock.at + timedelta(days=2), "delivery_status": "pending",
        "delivery_details": {}, "template_data": {"facility_name": place},
        "dedupe_key": str(new_id()), "provider_id": None, "appointment_id": None,
    }  # fmt: skip
    async with begin(bench.clinic.caller) as tx:
        await tx.run(queries.INSERT, await sealed(tx, [row]), tx.caller.tenant_id, tx.now)
    await bench.drain()
    [kept] = [one for one in await bench.outbox() if one.notification_id == row["id"]]
    return kept


@pytest.mark.parametrize("language", ["en", "es"])
async def test_an_invitation_by_text_says_how_it_ends(bench: Bench, language: str) -> None:
    body = (await recalled(bench, "sms", language=language)).body
    assert "Hillside Lab" in body
    assert body.endswith(_STOP[language])


async def test_one_that_names_no_place_comes_from_the_clinic(bench: Bench) -> None:
    async with begin(bench.clinic.caller) as tx:
        name = str(await tx.value(Command("SELECT name FROM tenants")))
    body = (await recalled(bench, "email", place=None)).body
    assert name in body
    assert "Hillside" not in body


async def test_a_clinics_own_text_and_an_email_say_it_too(bench: Bench) -> None:
    await written(bench.clinic, "{{ clinic }} expects you.", notification_type="recall")
    assert (await recalled(bench, "sms")).body == f"Hillside Lab expects you. {_STOP['en']}"
    assert _EMAIL in (await recalled(bench, "email")).body


async def test_what_was_asked_for_does_not(bench: Bench) -> None:
    await bench.planned()
    await bench.drain()
    assert not [one for one in await bench.outbox() if "STOP" in one.body or _EMAIL in one.body]


async def test_the_pack_decides(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = replace(packs.PACKS["US"], wording=frozenset())
    monkeypatch.setitem(packs.PACKS, "US", silent)
    assert "STOP" not in (await recalled(bench, "sms")).body
