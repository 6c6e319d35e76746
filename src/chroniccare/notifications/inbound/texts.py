"""What a patient reads in answer to a reply: short, without a name, in the languages of replies.

No word that a carrier takes for an opt-out stands here as a choice; `reply_help` names STOP because
it must say how the messages end.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chroniccare.core.time import to_local, zone
from chroniccare.notifications.inbound.phrases import OR, TEXTS
from chroniccare.notifications.templates import rules, segments, words
from chroniccare.notifications.templates.text import Text

KINDS = frozenset(TEXTS["en"])
_CLINIC = 40


def language_of(tag: str | None) -> str:
    """Return the language of an answer to who reads `tag` (BCP 47): its own, else English."""
    spoken = (tag or "").partition("-")[0].lower()
    return spoken if spoken in TEXTS else rules.LAST


def render(kind: str, language: str | None, data: Mapping[str, Any]) -> Text:
    """Return the text of `kind` (one of KINDS).

    `data` has `starts_at` (UTC) and `zone` where it speaks of a visit, `choices` where it asks
    which, and `clinic`, the name of the sender.
    """
    spoken = language_of(language)
    fields = {"clinic": _cut(str(data.get("clinic") or "Clinic"))}
    if "starts_at" in data:
        fields["when"] = _when(data, spoken)
    if "choices" in data:
        said = {code: _when(one, spoken) for code, one in data["choices"].items()}
        fields["codes"] = OR[spoken].join(f"1{code}" for code in said)
        fields["choices"] = " ".join(f"{code}: {when}." for code, when in said.items())
    return Text(TEXTS[spoken][kind].format(**fields))


def _when(data: Mapping[str, Any], language: str) -> str:
    at = to_local(datetime.fromisoformat(data["starts_at"]), zone(data["zone"]))
    shown = words.when(at, language)
    return segments.plain(shown) or shown  # `sábado` would double the price


def _cut(text: str) -> str:
    return text if len(text) <= _CLINIC else text[: _CLINIC - 3].rstrip() + "..."
