"""`List-Unsubscribe` (RFC 8058): in which emails, and what opening and posting it do."""

import email
import email.policy
import re
from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.core import signed
from chroniccare.core.ids import new_id
from chroniccare.notifications import dispatch, unsubscribe_page
from chroniccare.notifications.channels import choice
from chroniccare.notifications.plan_care import CareMessage, plan_messages
from chroniccare.notifications.rules_categories import CATEGORIES
from chroniccare.notifications.unsubscribing import rules
from chroniccare.platform.mail import Letter, encoded
from chroniccare.platform.postgres import Command, begin, database
from chroniccare.settings import Settings
from tests.client import Clinic
from tests.conftest import PEPPER
from tests.notifications.support import NOON, Bench
from tests.notifications.test_email import Relay, over_smtp, relay

__all__ = ["relay"]

BASE = "https://api.clinic.example"
TENANT_NAME = Command("SELECT name FROM tenants")
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
EMAIL_ONLY = {"channels": ["email"]}


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients reach the clinic over https."""
    settings = database().settings.model_copy(update={"public_url": BASE})
    monkeypatch.setattr(database(), "settings", settings)


async def letters(settings: Settings, server: tuple[Relay, str]) -> list[EmailMessage]:
    """Deliver what waits over SMTP and return the letters."""
    async with choice.opened(over_smtp(settings, server[1])) as channels:
        await dispatch.drain(channels)
    made = [
        email.message_from_bytes(one.content, policy=email.policy.default)
        for one in server[0].letters
    ]
    return [one for one in made if isinstance(one, EmailMessage)]


def path_of(letter: EmailMessage) -> str:
    """Return where the letter says that such ones end, below our address."""
    found = re.fullmatch(
        rf"<{re.escape(BASE)}(/unsubscribe/[\w-]{{86}})>", letter["List-Unsubscribe"]
    )
    assert found is not None
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    return found[1]


async def preferences(clinic: Clinic, patient_id: Any) -> dict[str, Any]:
    found = await clinic.get(f"/patients/{patient_id}/notification-preferences")
    data: dict[str, Any] = found.json()["data"]
    return data


def choice_of(found: dict[str, Any], category: str) -> tuple[bool, list[str]]:
    (one,) = [one for one in found["categories"] if one["category"] == category]
    return one["enabled"], one["channels"]


async def test_one_click_ends_emails_of_the_kind_and_opening_ends_nothing(
    bench: Bench, settings: Settings, relay: tuple[Relay, str], public: None,
    anonymous: httpx.AsyncClient,
) -> None:  # fmt: skip
    del public
    patient_id = await bench.patient(communication_preferences={"channels": ["email", "sms"]})
    await bench.planned(patient_id=patient_id)
    (letter,) = await letters(settings, relay)
    path = path_of(letter)
    before = await preferences(bench.clinic, patient_id)
    for _ in range(2):
        page = await anonymous.get(path)
        assert page.status_code == 200
        assert f'<form method="post" action="{path}">' in page.text
        assert (await anonymous.head(path)).status_code == 200
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    for name in ("Maria", bench.facility_name):
        assert name not in page.text
    assert await preferences(bench.clinic, patient_id) == before

    done = await anonymous.post(path, data=ONE_CLICK)
    assert done.status_code == 200
    assert "no more emails about your visits" in done.text
    after = await preferences(bench.clinic, patient_id)
    assert choice_of(after, "appointments") == (True, ["sms"])
    assert choice_of(after, "refills") == choice_of(before, "refills")
    assert after["version"] == before["version"] + 1
    again = await anonymous.post(path)  # from the page's button, or once more
    assert again.status_code == 200
    assert await preferences(bench.clinic, patient_id) == after
    shown = (await anonymous.get(path)).text
    assert "<form" not in shown

    rows = (await bench.clinic.get("/audit-logs", params={"action": "unsubscribe"})).json()["data"]
    (row,) = rows["items"]
    assert (row["entity_id"], row["user_type"]) == (str(patient_id), "unsubscribe_link")
    assert row["metadata"]["purpose"] == "patient_request"
    relay[0].letters.clear()
    await bench.planned(patient_id=patient_id)
    assert await letters(settings, relay) == []
    assert {kept.channel for kept in await bench.outbox()} == {"sms"}


async def test_without_another_channel_the_kind_is_off_and_the_page_speaks_their_language(
    bench: Bench, settings: Settings, relay: tuple[Relay, str], public: None,
    anonymous: httpx.AsyncClient,
) -> None:  # fmt: skip
    del public
    patient_id = await bench.patient(communication_preferences=EMAIL_ONLY, language="es")
    await bench.planned(patient_id=patient_id)
    (letter,) = await letters(settings, relay)
    assert "sus citas" in (await anonymous.get(path_of(letter))).text
    await anonymous.post(path_of(letter))
    found = await preferences(bench.clinic, patient_id)
    assert choice_of(found, "appointments") == (False, [])


async def test_a_related_person_ends_their_own_alone(
    bench: Bench, settings: Settings, relay: tuple[Relay, str], public: None,
    anonymous: httpx.AsyncClient,
) -> None:  # fmt: skip
    del public
    patient_id = await bench.patient(communication_preferences=EMAIL_ONLY)
    telecom = [{"system": "email", "value": "lucia@example.com"}]
    body = {
        "name": "Lucia Gonzalez", "relationship": "daughter", "receives": "besides",
        "categories": ["appointments", "refills"], "consents": {"email": True},
        "channels": ["email"], "contact_info": {"telecom": telecom},
    }  # fmt: skip
    person = await bench.clinic.make(f"/patients/{patient_id}/related-persons", body)
    await bench.planned(patient_id=patient_id)
    found = await letters(settings, relay)
    (hers,) = [one for one in found if one["To"] == "lucia@example.com"]
    before = await preferences(bench.clinic, patient_id)
    assert (await anonymous.post(path_of(hers), data=ONE_CLICK)).status_code == 200
    read = await bench.clinic.get(f"/patients/{patient_id}/related-persons/{person['id']}")
    assert read.json()["data"]["categories"] == ["refills"]
    after = await preferences(bench.clinic, patient_id)
    assert choice_of(after, "appointments") == choice_of(before, "appointments")
    assert (await anonymous.post(path_of(hers))).status_code == 200


async def test_without_https_there_is_no_such_header(
    bench: Bench, settings: Settings, relay: tuple[Relay, str]
) -> None:
    await bench.planned(patient_id=await bench.patient(communication_preferences=EMAIL_ONLY))
    (letter,) = await letters(settings, relay)
    assert letter["List-Unsubscribe"] is None
    assert letter["List-Unsubscribe-Post"] is None


async def test_what_is_forged_unknown_or_of_somebody_gone_answers_alike(
    clinic: Clinic, anonymous: httpx.AsyncClient
) -> None:
    patient = await clinic.patient()
    good = signed.token(b"chroniccare unsubscribe, version 1\0", clinic.tenant_id, new_id(), PEPPER)
    wrong = signed.token(b"another purpose", clinic.tenant_id, UUID(patient["id"]), PEPPER)
    flipped = ("B" if good[40] != "B" else "C").join((good[:40], good[41:]))
    pages = set()
    for token in (good, wrong, flipped, good[:-1], "x", "%00"):
        for method in ("GET", "POST"):
            answer = await anonymous.request(method, f"/unsubscribe/{token}")
            assert answer.status_code == 404
            pages.add(answer.text)
    assert len(pages) == 1


def test_the_header_is_one_line_and_says_the_address_as_it_is() -> None:
    url = f"{BASE}/unsubscribe/{'a' * 86}"
    letter = Letter(
        id="1", to="m@example.com", subject="Your visit", text="x", html="",
        at=NOON, unsubscribe=url,
    )  # fmt: skip
    data, _, _ = encoded(letter, "Clinic <noreply@clinic.example>")
    assert f"\r\nList-Unsubscribe: <{url}>\r\n".encode() in data
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in data


CHANNELS = st.lists(st.sampled_from(["sms", "email", "push"]), unique=True)


@given(
    CHANNELS,
    st.dictionaries(
        st.sampled_from(CATEGORIES),
        st.fixed_dictionaries({"enabled": st.booleans(), "channels": CHANNELS}),
    ),
    st.sampled_from(CATEGORIES),
)
def test_what_is_ended_has_ended_and_nothing_else_changes(
    own: list[str], categories: dict[str, Any], category: Any
) -> None:
    stored = {"categories": categories, "drug_names": True}
    after = rules.ended(stored, own, category)
    assert rules.has_ended(after, own, category)
    assert after["drug_names"] is True
    others = {name: one for name, one in after["categories"].items() if name != category}
    assert others == {name: one for name, one in categories.items() if name != category}
    assert "email" not in after["categories"][category]["channels"]
    if rules.has_ended(stored, own, category):
        return
    left = after["categories"][category]
    assert left["enabled"] == bool(left["channels"])


def test_every_category_has_words_in_every_language() -> None:
    for language in ("en", "es"):
        for category in CATEGORIES:
            assert unsubscribe_page.render(language, category, "t", ended=False)


async def test_a_recall_says_which_clinic_it_is_from(bench: Bench) -> None:
    patient_id = await bench.patient(consent_settings={"sms": True, "email": True})
    async with begin(bench.clinic.caller) as tx:
        name = await tx.value(TENANT_NAME)
        message = CareMessage(
            "recall", patient_id, None, at=tx.now, until=tx.now + timedelta(days=7),
            dedupe_key=f"recall:{patient_id}",
        )  # fmt: skip
        assert await plan_messages(tx, [message]) == 1
    await bench.drain()
    (kept,) = await bench.outbox()
    assert f"at {name}" in kept.body
