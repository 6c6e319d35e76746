"""What the API says, in the language of whoever reads it: its codes, and its English sentences.

`codes.json` has the words of every code in both languages, by kind; `reasons_es.json` the Spanish
of every sentence, {0} and {1} standing for what changes. The API itself speaks English alone.
"""

import re
from functools import lru_cache
from importlib.resources import files

import orjson

_FAMILY = re.compile(r"([a-z_]+_)([A-Za-z0-9]+)")
_PLACE = re.compile(r"\{(\d)\}")
_DEEPEST = 4
Kinds = dict[str, dict[str, tuple[str, str]]]


@lru_cache
def table() -> Kinds:
    """Return the words of each code, English and Spanish, by kind and code."""
    kinds: Kinds = orjson.loads(files("chroniccare.console").joinpath("codes.json").read_bytes())
    return kinds


def code(kind: str, name: str | None, language: str) -> str:
    """Return the words for a code; one that has none stands as it is, which those of providers do.

    A code with a number, such as `smtp_550`, has the words of its family, `smtp_{}`.
    """
    if not name:
        return ""
    found, number = _found(kind, name)
    return (
        name.replace("_", " ") if found is None else found[language == "es"].replace("{}", number)
    )


def has_words(kind: str, name: str) -> bool:
    """Return whether a code has words: a provider's own code may have none."""
    return _found(kind, name)[0] is not None


def _found(kind: str, name: str) -> tuple[tuple[str, str] | None, str]:
    words, family = table()[kind], _FAMILY.fullmatch(name)
    if name in words or family is None:
        return words.get(name), ""
    return words.get(f"{family[1]}{{}}"), family[2]


def choices(kind: str, language: str, chosen: str = "") -> list[tuple[str, str]]:
    """Return the codes of a kind with their words, in the order of these, for a select."""
    named = {name: code(kind, name, language) for name in (*table()[kind], chosen) if name}
    twice = [words for words in named.values() if list(named.values()).count(words) > 1]
    found = [(name, f"{one} ({name})" if one in twice else one) for name, one in named.items()]
    return sorted(found, key=lambda one: one[1].casefold())


@lru_cache
def _sentences() -> dict[str, str]:
    found: dict[str, str] = orjson.loads(
        files("chroniccare.console").joinpath("reasons_es.json").read_bytes()
    )
    return found


@lru_cache
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    """Return the sentences with places, those that say the most first."""
    placed = [one for one in _sentences().items() if _PLACE.search(one[0])]
    placed.sort(key=lambda one: len(_PLACE.sub("", one[0])), reverse=True)
    return [
        (re.compile(re.sub(r"\\\{(\d)\\\}", r"(?P<p\1>.+?)", re.escape(english))), spanish)
        for english, spanish in placed
    ]


def reason(text: str, language: str) -> str:
    """Return a sentence of the API's in `language`; what is not known stands as it is."""
    return text if language == "en" else spanish(text) or text


def spanish(text: str, deep: int = 0) -> str | None:
    """Return the Spanish of an English sentence; None: nobody has written it."""
    found = _sentences().get(text)
    if found is not None or deep > _DEEPEST:
        return found
    if text.endswith("."):
        bare = spanish(text[:-1], deep + 1)
        if bare is not None:
            return f"{bare}."
    for pattern, said in _patterns():
        match = pattern.fullmatch(text)
        if match is not None:
            inner = {
                f"{{{name[1:]}}}": _inner(one, deep) for name, one in match.groupdict().items()
            }
            return _PLACE.sub(lambda place: inner[place[0]], said)  # noqa: B023  called at once
    head, colon, tail = text.partition(": ")
    before = spanish(head, deep + 1) if colon else None
    return None if before is None else f"{before}: {_inner(tail, deep)}"


def _inner(text: str, deep: int) -> str:
    """Return what stands in a place: a sentence, a code, or what has no language."""
    said = spanish(text, deep + 1)
    if said is not None:
        return said
    for kind in ("channel", "delivery", "state", "cause"):
        if has_words(kind, text):
            words = code(kind, text, "es")
            return words if words.isupper() else words[0].lower() + words[1:]
    return text
