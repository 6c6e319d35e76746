"""The corpus: what replies say in eight languages, and what must not be taken for a keyword."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.notifications.inbound import rules, texts
from chroniccare.notifications.inbound.keywords import CARRIERS, WORDS, Intent
from chroniccare.notifications.templates import segments

PHRASES = [
    (language, intent, phrase)
    for language, intents in WORDS.items()
    for intent, phrases in intents.items()
    for phrase in phrases
]


def test_the_corpus_covers_every_intent_in_at_least_six_languages() -> None:
    assert len(WORDS) >= 6
    wanted = {"confirm", "change", "no", "taken", "skip", "help", "stop", "stop_unsure", "start"}
    for language, intents in WORDS.items():
        assert wanted <= set(intents), language


@pytest.mark.parametrize(("language", "intent", "phrase"), PHRASES)
def test_each_phrase_is_known_however_it_is_typed(
    language: str, intent: Intent, phrase: str
) -> None:
    decomposed = unicodedata.normalize("NFD", phrase)
    for typed in (
        phrase, phrase.upper(), f"  {phrase} !!", f'"{phrase}."', decomposed, f"{phrase}\n",
        phrase.replace("'", "’"), f"¡{phrase}!", f"{phrase} 😀",
    ):  # fmt: skip
        assert rules.classify(typed, language).intent == intent, typed


# Without accents these mean two things in one language: staff decide.
COLLIDING = {"dung"}


def test_no_other_words_collide() -> None:
    plain: dict[str, set[Intent]] = {}
    for _, intent, phrase in PHRASES:
        plain.setdefault(rules._plain(rules.normalise(phrase)), set()).add(intent)
    assert {words for words, intents in plain.items() if len(intents) > 1} == COLLIDING


def test_accents_may_be_left_out_except_where_that_says_something_else() -> None:
    for language, intent, phrase in PHRASES:
        bare = rules._plain(rules.normalise(phrase))
        known = "unknown" if bare in COLLIDING else intent
        assert rules.classify(bare, language).intent == known, phrase
    assert rules.classify("dừng").intent == "stop"
    assert rules.classify("đúng").intent == "confirm"


@pytest.mark.parametrize(
    ("text", "intent"),
    [
        ("Hi, yes please", "confirm"), ("ok thanks!", "confirm"), ("yes, thank you so much", None),
        ("Sí, muchas gracias.", "confirm"), ("oui merci", "confirm"), ("sim, obrigada", "confirm"),
        ("Ja, danke", "confirm"), ("好的,谢谢", "confirm"), ("vâng cảm ơn", "confirm"),
        ("wi mèsi", "confirm"), ("no thanks", "no"), ("No, gracias", "no"), ("please stop", "stop"),
        ("STOP STOP STOP", "stop"), ("Stop texting me about this!", "stop"),
        ("take me off this list", "stop"), ("1️⃣", "confirm"), ("１", "confirm"), ("١", "confirm"),
        ("(2)", "change"), ("#1", "confirm"), ("👍", "confirm"), ("👍🏿👍🏿", "confirm"),
        ("👎", "no"), ("✅", "confirm"), ("❌", "no"), ("🙏", "thanks"), ("thank you", "thanks"),
        ("OPT-OUT", "stop"), ("ARRÊT", "stop"), ("StOp", "stop"),
    ],
)  # fmt: skip
def test_what_people_really_type(text: str, intent: Intent | None) -> None:
    assert rules.classify(text).intent == (intent or "unknown")


@pytest.mark.parametrize(
    "text",
    [
        "don't cancel", "Don't stop", "can I cancel?", "Can I cancel my visit on Tuesday?",
        "no puedo", "No puedo confirmar", "¿puedo cancelar?", "no cancelar", "no pare",
        "ne pas annuler", "je ne confirme pas", "puis-je annuler ?", "não cancele", "não confirmo",
        "posso cancelar?", "nicht absagen", "kann ich absagen?", "bitte nicht stornieren",
        "不要取消", "可以取消吗", "đừng hủy", "tôi có thể hủy không", "pa anile", "èske m ka anile",
        "stop by at 3?", "I will stop at the pharmacy", "one stop shop", "yes but later",
        "yes or no?", "1 or 2", "12", "1 2", "11", "1C", "H", "help me", "I need help now",
        "who is this?", "the end of the month is better", "👍👎", "yes 👎", "no 👍", "😀", "?", "",
        "   ", "\u200b", "cancel yes", "not confirmed", "unstoppable", "confirm?? not sure",
        "x" * 5000, "yes " * 500 + "no", "start date?", "my quit date", "info about my visit",
    ],
)  # fmt: skip
def test_what_is_no_keyword_is_for_staff(text: str) -> None:
    assert rules.classify(text) == rules.Reading("unknown")


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        ("1A", ("confirm", "A", 1)), ("1 a.", ("confirm", "A", 1)), ("B2", ("change", "B", 2)),
        ("2 g", ("change", "G", 2)), ("e", ("unknown", "E", None)), ("1", ("confirm", None, 1)),
        ("c", ("confirm", None, None)),
    ],
)  # fmt: skip
def test_codes_tell_visits_apart(text: str, reading: tuple[Intent, str | None, int | None]) -> None:
    assert rules.classify(text) == rules.Reading(*reading)


@given(st.text(max_size=300), st.sampled_from([None, "en", "es-MX", "vi", "xx"]))
def test_any_text_is_read_without_failing(text: str, language: str | None) -> None:
    reading = rules.classify(text, language)
    assert reading.code is None or reading.code in rules.CODES
    kept, cut = rules.kept_text(text)
    assert (len(kept), cut) == (len(text), False)
    assert "\0" not in kept


@given(st.sampled_from(PHRASES), st.sampled_from(["don't", "not", "no", "can I", "why", "ne pas"]))
def test_a_keyword_with_something_before_it_is_never_a_stop_or_a_yes(
    phrase: tuple[str, Intent, str], before: str
) -> None:
    text = f"{before} {phrase[2]}"
    whole = rules.normalise(text)
    if whole not in {rules.normalise(one[2]) for one in PHRASES}:
        assert rules.classify(text).intent not in {"stop", "stop_unsure", "confirm", "start"}


def test_a_reply_of_a_megabyte_is_cut() -> None:
    kept, cut = rules.kept_text("é" * 1_000_000)
    assert (len(kept), cut) == (rules.MOST_KEPT, True)


# --- what we answer ------------------------------------------------------------------------------

OPT_OUT = {"arret", "cancel", "end", "opt-out", "optout", "quit", "remove", "stop", "td",
           "unsubscribe", "revoke"}  # fmt: skip
DATA = {
    "starts_at": "2031-03-08T17:00:00+00:00",
    "zone": "America/New_York",
    "clinic": "Riverside Clinic {of} <b>everything</b> that is chronic",
    "choices": {
        "A": {"starts_at": "2031-03-08T17:00:00+00:00", "zone": "America/New_York"},
        "B": {"starts_at": "2031-03-09T17:00:00+00:00", "zone": "America/New_York"},
    },
}


@pytest.mark.parametrize("kind", sorted(texts.KINDS))
@pytest.mark.parametrize("language", sorted(WORDS))
def test_an_answer_offers_no_opt_out_word_as_a_choice(kind: str, language: str) -> None:
    body = texts.render(kind, language, DATA).body
    words = {word.casefold() for word in re.findall(r"[a-zA-Z]+", body)}
    allowed = {"stop"} if kind == "reply_help" else set()
    assert words & set(CARRIERS) <= allowed
    assert ("stop" in words) == (kind == "reply_help")
    assert segments.count(body).segments <= (2 if language == "en" else 4)
    assert "None" not in body
    assert "{" not in body.replace("{of}", "")
    others = {texts.render(kind, one, DATA).body for one in WORDS if one != language}
    assert len(others) == len(WORDS) - 1
    assert body not in others


@pytest.mark.parametrize("language", sorted(WORDS))
def test_each_word_that_an_answer_names_is_understood(language: str) -> None:
    help_, started, stopped = (
        texts.render(kind, language, DATA).body
        for kind in ("reply_help", "reply_started", "reply_stopped")
    )
    assert "START" in stopped
    assert rules.classify("START", language).intent == "start"
    assert rules.classify("STOP", language).intent == "stop"
    named = re.findall(r"\b[A-Z]{4,}\b|“(.+)”", started)[-1] or "HELP"
    word = next(
        one for one in ("AYUDA", "AIDE", "AJUDA", "HILFE", "帮助", "HELP") if one in started
    )
    assert named in {word, "HELP"}
    assert rules.classify(word, language).intent == "help"
    assert "STOP" in help_


def test_an_answer_is_in_the_language_of_the_patient_or_else_in_english() -> None:
    assert texts.render("reply_will_call", "pt-BR", DATA).body.startswith("Obrigado")
    assert texts.render("reply_will_call", "zh-Hans", DATA).body.startswith("谢谢")
    for tag in ("ko", "", None, "xx-YY"):
        assert texts.render("reply_will_call", tag, DATA).body.startswith("Thank you")


@pytest.mark.parametrize("kind", sorted(texts.KINDS))
def test_what_an_answer_asks_for_is_understood(kind: str) -> None:
    body = texts.render(kind, "en", DATA).body
    if "reply 2" in body:
        assert rules.classify("2").intent == "change"
    if "START" in body:
        assert rules.classify("START").intent == "start"
    if "HELP" in body:
        assert rules.classify("HELP").intent == "help"
    if kind == "reply_which":
        assert "1A or 1B" in body
    if kind == "reply_confirmed":
        assert "Sat, Mar 8 at 12:00 PM EST" in body
