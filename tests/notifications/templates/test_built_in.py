"""Every built-in text: what it says, what it must not say, what it costs."""

import re
from dataclasses import replace
from datetime import datetime
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from chroniccare.notifications import rules as sending
from chroniccare.notifications.templates import built_in, lint, making, rules, segments, vocabulary
from chroniccare.notifications.templates.kinds import ABOUT_VISITS, CHANNELS, KINDS, VARIABLES
from chroniccare.notifications.templates.schemas import NotificationType
from chroniccare.notifications.templates.text import Facts

FACTS = Facts(
    datetime(2031, 11, 3, 9, 30, tzinfo=ZoneInfo("America/New_York")),
    first_name="Maria",
    facility_name="Riverside Clinic",
    provider_name="Aisha Rahman",
    medication="Metformin",
)
OFFERED = replace(FACTS, until=FACTS.starts_at, link="https://clinic.example/offers/" + "x" * 86)

every_kind = pytest.mark.parametrize("kind", KINDS)
every_language = pytest.mark.parametrize("language", rules.LANGUAGES)
every_channel = pytest.mark.parametrize("channel", CHANNELS)


def test_the_wire_names_every_type() -> None:
    assert get_args(NotificationType) == tuple(KINDS)
    assert {*ABOUT_VISITS, sending.OFFER} < set(KINDS)
    assert set(ABOUT_VISITS) > sending.ABOUT_OPEN_VISITS


@every_kind
@every_language
@every_channel
def test_lint_finds_nothing_in_a_built_in_text(kind: str, language: str, channel: str) -> None:
    source = built_in.source(kind, channel, language)
    assert lint.findings(kind, channel, language, source, making.Policy()) == []


@every_kind
@every_language
def test_an_sms_tells_little_and_offers_no_way_out(kind: str, language: str) -> None:
    facts = OFFERED if kind == sending.OFFER else replace(OFFERED, link=None)
    text = making.make(kind, "sms", language, facts)
    assert not vocabulary.OPT_OUT.search(text.body)
    assert not re.search(r"\b(reply|responda|conteste)\b", text.body, re.IGNORECASE)
    assert "Rahman" not in text.body
    assert "Metformin" not in text.body
    assert text.body.startswith(("Hello Maria, ", "Hola Maria: "))
    assert "Riverside Clinic" in text.body
    assert (text.subject, text.html, text.version_id) == (None, None, None)
    assert text.locale == language
    assert segments.count(text.body).encoding == "gsm7"
    if kind != sending.OFFER:  # its link alone takes 116 characters
        assert text.segments == 1
        assert len(text.body) <= 160


@every_kind
@every_language
@every_channel
def test_long_foreign_names_keep_to_three_segments(kind: str, language: str, channel: str) -> None:
    for name in ("M" * 100, "Í" * 100, "李" * 100, "😀" * 100):
        facts = replace(OFFERED, first_name=name, facility_name="C" * 255, join=None)
        text = making.make(kind, channel, language, facts)
        if channel == "sms":
            assert text.segments <= 3
            assert text.segments == segments.count(text.body).segments
        if channel != "email":
            assert "C" * 61 not in text.body
        elif kind != "refill_reminder":
            assert "C" * 255 in text.body


@every_kind
@every_language
def test_every_email_has_subject_text_and_escaped_html(kind: str, language: str) -> None:
    facts = replace(
        FACTS, first_name="<script>x</script>", facility_name='A & "B" clinic',
        provider_name="<b>Who</b>", link="https://x.example/?a=1&b=2",
        join='https://x.example/"onclick="x"',
    )  # fmt: skip
    text = making.make(kind, "email", language, facts)
    assert text.subject
    assert "\n" not in text.subject
    assert text.html
    assert "<script>" not in text.html
    assert "<b>" not in text.html
    assert '"onclick' not in text.html
    assert "A &amp; &quot;B&quot; clinic" in text.html
    assert "<script>x</script>" in text.body
    assert text.html.startswith(f'<!doctype html><html lang="{language}">')
    assert text.body.count("\n\n") + 1 == text.html.count("<p>")


@every_kind
@every_language
@every_channel
def test_what_is_not_known_leaves_no_gap(kind: str, language: str, channel: str) -> None:
    bare = Facts(FACTS.starts_at)
    text = making.make(kind, channel, language, bare)
    for told in (text.body, text.subject or ""):
        assert "None" not in told
        assert not re.search(r" [,.:)]|\(\)|  |\{|\}", told)
    assert text.body.startswith(("Hello,", "Hola:"))
    assert "You will see" not in text.body
    assert "Le atiende" not in text.body


def test_times_are_said_as_patients_say_them() -> None:
    assert making.make("appointment_reminder", "sms", "en-US", FACTS).body == (
        "Hello Maria, this is a reminder of your visit at Riverside Clinic:"
        " Mon, Nov 3 at 9:30 AM EST. Questions? Please call us."
    )
    saturday = replace(
        FACTS, starts_at=datetime(2031, 3, 8, 13, 5, tzinfo=ZoneInfo("America/New_York"))
    )
    sms = making.make("appointment_reminder", "sms", "es-MX", saturday).body
    assert "sabado 8 de marzo a la 1:05 PM EST" in sms  # á would double its price
    email = making.make("appointment_reminder", "email", "es-MX", saturday)
    assert "sábado 8 de marzo a la 1:05 PM EST" in email.body
    assert email.subject == "Recordatorio: su cita del sábado 8 de marzo"


@every_language
def test_the_way_into_a_video_visit_is_said_where_there_is_one(language: str) -> None:
    joined = replace(FACTS, join="https://video.example.com/r/7?a=1&b=2")
    for channel in CHANNELS:
        bare = making.make("appointment_reminder", channel, language, FACTS)
        assert "https://" not in bare.body
        text = making.make("appointment_reminder", channel, language, joined)
        assert "https://video.example.com/r/7?a=1&b=2" in text.body
        assert text.html is None or "a=1&amp;b=2" in text.html


def test_an_sms_is_cut_before_it_costs_more() -> None:
    dear = replace(FACTS, first_name="Í" * 100, facility_name="Ó" * 20)
    bodies = [
        making.make("appointment_reminder", "sms", "en", dear,
                    making.Texts(making.Policy(max_segments=most)))
        for most in (10, 3, 2, 1)
    ]  # fmt: skip
    assert [text.segments for text in bodies] == [3, 3, 2, 1]
    assert "Í" * 27 + "..." in bodies[1].body
    assert " " + "Í" * 9 + "..." in bodies[2].body
    assert " " + "I" * 9 + "..." in bodies[3].body  # at last in plain letters


def test_a_name_that_no_gsm_letters_can_write_is_left_out_before_the_limit_is_broken() -> None:
    facts = replace(FACTS, first_name="李明")
    one = making.Texts(making.Policy(max_segments=1))
    assert making.make("appointment_reminder", "sms", "en", facts).segments == 2
    text = making.make("appointment_reminder", "sms", "en", facts, one)
    assert (text.segments, text.body[:6]) == (1, "Hello,")
    # The clinic's name is the sender's: it stays, whatever it costs.
    both = replace(facts, facility_name="诊所")
    text = making.make("appointment_reminder", "sms", "en", both, one)
    assert text.segments == 2
    assert "诊所" in text.body


def test_plain_letters_are_written_only_when_they_are_wanted() -> None:
    facts = replace(FACTS, first_name="María")
    plain = making.Texts(making.Policy(plain_letters=True))
    assert "María" in making.make("recall", "sms", "en", facts).body
    assert "Maria" in making.make("recall", "sms", "en", facts, plain).body
    assert "María" in making.make("recall", "email", "en", facts, plain).body
    # Where that saves nothing, nothing is changed.
    emoji = replace(facts, first_name="María 😀")
    assert "María 😀" in making.make("recall", "sms", "en", emoji, plain).body
    # Composed or not, é costs nothing.
    spelled = replace(facts, first_name="Jose\u0301")
    assert making.make("recall", "sms", "en", spelled).segments == 1


@pytest.mark.parametrize(
    ("tag", "language"),
    [("es-MX", "es"), ("es", "es"), ("fr", "en"), ("est", "en"), (None, "en"), ("", "en")],
)
def test_languages_fall_back_to_english(tag: str | None, language: str) -> None:
    assert rules.language_of(tag) == language
    assert making.make("recall", "sms", tag, FACTS).locale == language


@pytest.mark.parametrize(
    ("tag", "default", "own", "chosen"),
    [
        ("es-MX", "en", {"es-MX", "es", "en"}, ("es-MX", True)),
        ("es-MX", "en", {"es", "en"}, ("es", True)),
        ("es-MX", "en", {"es-AR", "en"}, ("es", False)),  # the language before whose words
        ("es-MX", "fr", {"fr"}, ("es", False)),
        ("ht", "es", {"en"}, ("es", False)),
        ("ht", "fr-CA", {"fr-CA", "en"}, ("fr-CA", True)),
        ("ht", "fr-CA", {"fr", "en"}, ("fr", True)),
        ("ht", "fr-CA", {"en"}, ("en", True)),
        ("ht", "fr-CA", set(), ("en", False)),
        ("ht", "fr", {"ht"}, ("ht", True)),
        (None, "es-MX", {"es-MX"}, ("es-MX", True)),
        (None, "es-MX", set(), ("es", False)),
        (None, "en", {"en"}, ("en", True)),
        ("en-GB", "es", {"en"}, ("en", True)),
    ],
)  # fmt: skip
def test_the_nearest_language_wins(
    tag: str | None, default: str, own: set[str], chosen: tuple[str, bool]
) -> None:
    assert rules.pick(tag, default, own) == chosen


def test_a_chain_names_each_locale_once() -> None:
    assert rules.chain("es-MX", "es") == ["es-MX", "es", "en"]
    assert rules.chain("es-MX", "pt-BR") == ["es-MX", "es", "pt-BR", "pt", "en"]
    assert rules.chain(None, "en") == ["en"]


def test_every_variable_is_made_and_used() -> None:
    assert set(making.values(FACTS, "en")) == set(VARIABLES)
    assert {name for kind in KINDS.values() for name in kind.variables} == set(VARIABLES)
