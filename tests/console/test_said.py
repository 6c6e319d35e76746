"""No code and no sentence that the API can produce is without its words in both languages."""

import re
from itertools import product
from typing import Any, get_args

import pytest

from chroniccare.audit import schemas as audit
from chroniccare.console import pages, said
from chroniccare.fhir.stored.table import searches
from chroniccare.notifications.preferences import schemas as preferences
from chroniccare.notifications.receipts import rules_events
from chroniccare.notifications.templates import kinds
from chroniccare.notifications.why import story
from chroniccare.patients import schemas as patients
from chroniccare.platform.postgres import Command, begin
from chroniccare.scheduling import rules
from chroniccare.tenancy.roles import ROLES
from tests.client import Clinic
from tests.console.api_texts import arguments, capitals, sentences

_CHECKS = Command(
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c'"
    " AND conrelid = $1::text::regclass AND pg_get_constraintdef(oid) LIKE '%ARRAY[%'"
)
_NO_ACTIONS = frozenset({"tenant", "patient", "city", "country", "postal_code"})
"""Arguments of other functions of the same name."""


def without_words(kind: str, names: Any) -> list[str]:
    return sorted(name for name in names if name and not said.has_words(kind, name))


def test_every_sentence_has_its_spanish() -> None:
    known = pages.catalogue("es")
    left = {
        text: place
        for text, place in sentences().items()
        if text not in known and said.spanish(text) is None
    }
    assert left == {}


def test_the_spanish_puts_in_what_the_english_puts_in() -> None:
    place = re.compile(r"\{\d\}")
    wrong = [
        english
        for english, spanish in said._sentences().items()
        if not set(place.findall(spanish)) <= set(place.findall(english))
    ]
    assert wrong == []
    assert list(said._sentences()) == sorted(said._sentences())


def test_every_action_and_record_of_the_audit_has_words() -> None:
    actions = (arguments("action") | set(rules.STEPS)) - _NO_ACTIONS
    assert {"sign_in", "check_in", "reschedule", "break_glass.started"} <= actions
    assert without_words("action", (one for one in actions if " " not in one)) == []
    entities = arguments("entity_type", by_place=False) | capitals()["ENTITY"]
    assert {"patient", "appointment", "waitlist_offer"} <= entities
    assert without_words("entity", entities) == []
    assert without_words("entity", searches()) == []
    assert without_words("purpose", get_args(audit.Purpose)) == []
    actors = capitals()["ACTOR"] | capitals()["SMART"] | {"staff", "api_key", "system", "provider"}
    assert without_words("actor", actors) == []


@pytest.mark.parametrize(
    ("table", "column", "kind"),
    [
        ("appointments", "status", "state"), ("appointments", "priority", "priority"),
        ("group_sessions", "status", "state"), ("waitlist", "status", "state"),
        ("waitlist_offers", "outcome", "state"), ("webhook_deliveries", "status", "state"),
        ("webhook_endpoints", "disabled_reason", "endpoint"), ("medications", "status", "drug"),
        ("notifications", "delivery_status", "delivery"), ("notifications", "channel", "channel"),
        ("medication_adherence", "source", "source"), ("medication_fills", "source", "source"),
        ("tasks", "priority", "priority"), ("adherence_episodes", "reason", "low_adherence"),
        ("staff_users", "role", "role"),
    ],
)  # fmt: skip
async def test_every_value_that_a_column_takes_has_words(
    clinic: Clinic, table: str, column: str, kind: str
) -> None:
    async with begin(clinic.caller) as tx:
        checks = await tx.values(_CHECKS, table)
    values = {
        value
        for check in checks
        if re.search(rf"^CHECK \(+{column}\b", check)
        for value in re.findall(r"'([a-z_]+)'", check)
    }
    assert values
    assert without_words(kind, values) == []


def test_codes_of_the_code_have_words() -> None:
    assert without_words("cause", story.REASONS) == []
    assert without_words("cause", get_args(preferences.Reason)) == []
    assert without_words("treatment", get_args(patients.TreatmentStatus)) == []
    assert without_words("message", kinds.KINDS) == []
    assert without_words("role", ROLES) == []
    codes = {one.code for one in vars(rules_events).get("_KINDS", {}).values()}
    assert without_words("cause", codes) == []
    for code in ("smpp_11", "smtp_550", "smtp_auth_535", "http_503"):
        assert code.rpartition("_")[2] in said.code("cause", code, "es")
        assert "_" not in said.code("cause", code, "en")


def test_the_story_of_a_message_is_told_in_spanish() -> None:
    texts = [text for _, text in story._STATES.values()]
    texts += [f"{text}: {why}." for text, why in product(texts, story.REASONS.values())]
    texts += [f"Attempt 2: aws {one} (smpp_11)." for one in story._ANSWERS.values()]
    assert [one for one in texts if said.spanish(one) is None] == []
    for why in story.REASONS.values():
        assert str(said.spanish(why)) in said.reason(f"Passed over sms: {why}.", "es")
        held = said.reason(f"Held until 2031-03-04 08:00 (America/New_York): {why}.", "es")
        assert str(said.spanish(why)) in held
    told = said.reason("Passed over email: the patient does not consent to this channel.", "es")
    assert told == "Se descartó correo: el paciente no consiente este canal."
    assert said.reason("Passed over email: x.", "en") == "Passed over email: x."


def test_both_languages_have_words() -> None:
    for kind, words in said.table().items():
        assert list(words) == sorted(words), kind
        assert all(len(pair) == 2 and all(pair) for pair in words.values()), kind
    for language in pages.LANGUAGES:
        assert (
            len(dict(said.choices("action", language, "made_up")))
            == len(said.table()["action"]) + 1
        )
        assert said.code("cause", "ACCESS_DENIED", language) == "ACCESS DENIED"
