"""Names on paper: how a name is folded into words, and which typing errors it forgives."""

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+")
_MIN_FORGIVING = 4  # shorter words differ from too many others by one letter
_MAX_WORDS = 8


def fold(text: str) -> list[str]:
    """Return the distinct words of `text`, without case, accents and punctuation."""
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c)
    )
    return list(dict.fromkeys(_WORD.findall(plain)))[:_MAX_WORDS]


def typos(word: str) -> set[str]:
    """Return `word` and, from four letters on, each way to leave one letter out.

    Two words that share one of these differ by at most one letter added, dropped or changed, or by
    two neighbours swapped (or by one letter dropped in each).
    """
    if len(word) < _MIN_FORGIVING:
        return {word}
    return {word} | {word[:i] + word[i + 1 :] for i in range(len(word))}


def tokens(*names: str) -> list[tuple[str, str]]:
    """Return the (kind, token) rows by which a person with these names is found."""
    words = {word for name in names for word in fold(name)}
    rows = {("word", word) for word in words}
    rows |= {("typo", typo) for word in words for typo in typos(word)}
    return sorted(rows)
