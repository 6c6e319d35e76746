"""Which text serves a patient: a clinic's own or the built-in one, in the nearest language."""

from collections.abc import Collection

LANGUAGES = ("en", "es")
"""Those of the built-in texts, of which there is one of every type in each."""
LAST = LANGUAGES[0]
"""The language of last resort."""


def language_of(tag: str | None) -> str:
    """Return the language of LANGUAGES that serves the BCP 47 tag best."""
    base = _base(tag or "")
    return base if base in LANGUAGES else LAST


def chain(tag: str | None, default: str) -> list[str]:
    """Return the locales to look for, the nearest first: es-MX, es, the clinic's default, en.

    `tag` is what the patient reads (BCP 47), if known. Each locale stands there once.
    """
    wanted = [one for name in (tag, default, LAST) if name for one in (name, _base(name))]
    return list(dict.fromkeys(wanted))


def pick(tag: str | None, default: str, own: Collection[str]) -> tuple[str, bool]:
    """Return the locale to use and whether it is the clinic's own text.

    `own` are the locales that the clinic has an active text of this type and channel in. The
    language counts for more than whose words they are: who reads Spanish gets the built-in Spanish
    text rather than the clinic's own in English.
    """
    for locale in chain(tag, default):
        if locale in own:
            return locale, True
        if locale in LANGUAGES:
            return locale, False
    return LAST, False


def _base(tag: str) -> str:
    return tag.partition("-")[0]
