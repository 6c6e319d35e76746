"""The texts that hold where a clinic has none of its own: every type, channel and language."""

from functools import cache

from chroniccare.notifications.templates import engine, texts_en, texts_es
from chroniccare.notifications.templates.kinds import CHANNELS, KINDS
from chroniccare.notifications.templates.text import Source

_TEXTS = {"en": texts_en.TEXTS, "es": texts_es.TEXTS}
_OFFERS = {"en": texts_en.OFFER, "es": texts_es.OFFER}
_VISITS = {"en": texts_en.VISIT, "es": texts_es.VISIT}


def source(kind: str, channel: str, language: str) -> Source:
    """Return the source of a built-in text; a push message says what an SMS does."""
    short, email = _TEXTS[language][kind]
    return email if channel == "email" else short


@cache
def template(kind: str, channel: str, language: str) -> engine.Compiled:
    """Return a built-in text, ready to render; `language` is one of rules.LANGUAGES."""
    return engine.compiled(source(kind, channel, language), locale=language)


@cache
def offer_sentence(language: str) -> engine.Compiled:
    """Return what the page of an offer says."""
    return engine.compiled(Source(_OFFERS[language]), locale=language)


@cache
def visit_sentence(language: str) -> engine.Compiled:
    """Return what the page of a visit says."""
    return engine.compiled(Source(_VISITS[language]), locale=language)


def compile_all() -> None:
    """Make every built-in text ready, so that no message waits for it."""
    for language in _TEXTS:
        for kind in KINDS:
            for channel in CHANNELS:
                template(kind, channel, language)
