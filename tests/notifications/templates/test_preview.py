"""What a patient would read, before anybody does."""

from typing import Any

import pytest

from tests.client import Clinic
from tests.notifications.templates.support import TEXT, rule, write, written

pytestmark = pytest.mark.usefixtures("clock")  # 4 March 2031, noon in New York

FACTS = {"starts_at": "2031-03-04T14:30:00Z", "clinic": "West", "first_name": "Ana"}
BASE = {"notification_type": "appointment_confirmation", "channel": "sms", "facts": FACTS}


async def look(clinic: Clinic, **fields: Any) -> Any:
    response = await clinic.post("/templates/preview", {**BASE, **fields})
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def test_without_a_source_it_is_what_would_be_sent_now(clinic: Clinic) -> None:
    seen = await look(clinic)
    assert (seen["origin"], seen["locale"], seen["version_id"]) == ("built_in", "en", None)
    assert seen["text"] == (
        "Hello Ana, your visit at West is booked for Tue, Mar 4 at 9:30 AM EST."
        " Join by video: https://video.example.com/r/7 Questions? Please call us."
    )
    assert seen["findings"] == []
    own = await written(clinic)
    seen = await look(clinic)
    assert (seen["origin"], seen["version_id"]) == ("active", own["active_version_id"])
    assert seen["text"] == "Hello Ana, West expects you: Tue, Mar 4 at 9:30 AM EST."
    assert seen["source"] == {"subject": None, "text": TEXT, "html": None}
    spanish = await look(clinic, locale="es-MX")
    assert (spanish["origin"], spanish["locale"]) == ("built_in", "es")
    assert (await look(clinic, locale="ht"))["origin"] == "active"


async def test_a_version_can_be_looked_at_before_it_is_active(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    made = await write(clinic)
    seen = await look(clinic, version_id=made["latest_version_id"])
    assert (seen["origin"], seen["text"][:9]) == ("version", "Hello Ana")
    for body in (
        {**BASE, "version_id": made["latest_version_id"], "channel": "push"},
        {**BASE, "version_id": (await write(other_clinic))["latest_version_id"]},
    ):
        assert (await clinic.post("/templates/preview", body)).status_code == 404
    both = {**BASE, "version_id": made["latest_version_id"], "source": {"text": "x"}}
    refused = await clinic.post("/templates/preview", both)
    assert refused.json()["error"]["details"][0]["field"] == "version_id"


async def test_an_sms_is_counted_priced_and_made_cheaper(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = {"text": "{{ clinic }}: la clínica abre. " + "x" * 60}
    seen = await look(clinic, source=source)
    assert seen["sms"] == {
        "encoding": "ucs2", "units": 83, "segments": 2, "left": 51, "price": None,
        "characters": [{"character": "í", "rewrite": "i"}],
        "plain_text": "West: la clinica abre. " + "x" * 60, "plain_segments": 1,
    }  # fmt: skip
    assert [one["code"] for one in seen["findings"]] == ["ucs2"]
    database = clinic.app.state.platform.database
    priced = database.settings.model_copy(update={"sms_segment_price": 0.0079})
    monkeypatch.setattr(database, "settings", priced)
    assert (await look(clinic, source=source))["sms"]["price"] == 0.0158
    await rule(clinic, plain_letters=True)
    plain = await look(clinic, source=source)
    assert (plain["sms"]["segments"], plain["sms"]["price"]) == (1, 0.0079)
    assert plain["sms"]["plain_text"] is None
    emoji = await look(clinic, source={"text": "{{ clinic }} 😀"})
    assert emoji["sms"]["characters"] == [{"character": "😀", "rewrite": None}]
    assert (emoji["sms"]["plain_text"], emoji["sms"]["plain_segments"]) == (None, None)


async def test_an_email_shows_all_its_parts(clinic: Clinic) -> None:
    source = {
        "subject": "Visit on {{ date }}",
        "text": "Hello {{ first_name }},\n\n{% if provider %}See {{ provider }}.{% endif %}",
        "html": "<p>{{ first_name }}</p><p>{{ provider }}</p>",
    }
    facts = {**FACTS, "provider": "Dr. Dr. <b>Jane</b> Roe, MD"}
    seen = await look(clinic, channel="email", source=source, facts=facts)
    assert seen["subject"] == "Visit on Tue, Mar 4"
    assert seen["text"] == "Hello Ana,\n\nSee Dr. <b>Jane</b> Roe.\n"
    assert "<p>Ana</p><p>Dr. &lt;b&gt;Jane&lt;/b&gt; Roe</p>" in seen["html"]
    assert seen["sms"] is None
    nobody = {**FACTS, "provider": None}
    assert (await look(clinic, channel="email", source=source, facts=nobody))["text"] == (
        "Hello Ana,\n"
    )


async def test_every_type_can_be_looked_at(clinic: Clinic) -> None:
    types = (await clinic.get("/templates/types")).json()["data"]["types"]
    for one in types:
        for channel in one["channels"]:
            for locale in ("en", "es"):
                seen = await look(
                    clinic, notification_type=one["notification_type"], locale=locale,
                    channel=channel["channel"], facts={},
                )  # fmt: skip
                assert "Maria" in seen["text"]
                assert seen["findings"] == []


async def test_what_is_wrong_is_told_and_not_refused(clinic: Clinic) -> None:
    broken = await look(clinic, source={"text": "a\n{{ nobody }}\n{% for x in y %}{% endfor %}"})
    assert (broken["text"], broken["sms"]) == (None, None)
    assert [(one["line"], one["severity"], one["code"]) for one in broken["findings"]] == [
        (2, "error", "variable"), (3, "error", "not_allowed"),
    ]  # fmt: skip
    shown = await look(clinic, source={"text": "{{ clinic }}: reply STOP to end"})
    assert shown["text"] == "West: reply STOP to end"
    assert {one["code"] for one in shown["findings"]} == {"opt_out_word"}
    empty = await look(clinic, channel="email", source={"text": "x"})
    assert empty["findings"][0]["code"] == "required"
    long = await look(clinic, source={"text": "x" * 5000})
    assert long["sms"]["segments"] == 33


async def test_times_are_the_zones(clinic: Clinic) -> None:
    facts = {**FACTS, "time_zone": "America/Phoenix"}
    assert "Tue, Mar 4 at 7:30 AM MST" in (await look(clinic, facts=facts))["text"]
    unknown = await clinic.post("/templates/preview", {**BASE, "facts": {"time_zone": "Mars/X"}})
    assert unknown.json()["error"]["details"][0]["field"] == "facts.time_zone"
