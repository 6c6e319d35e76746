"""What the local outbox keeps, as staff look at it where nothing is sent."""

import pytest

from chroniccare.core.ids import new_id
from chroniccare.platform.postgres import database
from tests.notifications.support import Bench


async def test_messages_are_shown_as_a_patient_would_read_them(bench: Bench) -> None:
    await bench.planned()
    await bench.drain()
    [kept] = (await bench.clinic.get("/outbox")).json()["data"]["items"]
    assert (kept["channel"], kept["notification_type"]) == ("sms", "appointment_confirmation")
    assert kept["recipient"].startswith("+1415")
    assert "visit" in kept["body"]
    one = await bench.clinic.get(f"/outbox/{kept['id']}")
    assert one.json()["data"] == kept
    patient = {"patient_id": kept["patient_id"]}
    for params, count in ((patient, 1), ({"channel": "email"}, 0), ({"channel": "sms"}, 1)):
        found = (await bench.clinic.get("/outbox", params=params)).json()["data"]["items"]
        assert len(found) == count
    assert (await bench.clinic.get(f"/outbox/{new_id()}")).status_code == 404
    seen = await bench.clinic.get("/audit-logs", params={"entity_type": "outbox_message"})
    assert {entry["action"] for entry in seen.json()["data"]["items"]} == {"list", "read"}


async def test_texts_are_not_shown_where_patients_receive_them(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = database()
    drivers = {"email_driver": "smtp", "sms_driver": "http", "push_driver": "null"}
    monkeypatch.setattr(there, "settings", there.settings.model_copy(update=drivers))
    answer = await bench.clinic.get("/outbox")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NO_OUTBOX")
