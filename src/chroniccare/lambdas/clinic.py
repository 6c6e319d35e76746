"""All that the other functions do not have: much code, seldom asked, and never all of it.

So it starts with no routes at all. The first request for a part imports that part, and what else
the part has; together they would take three times as long.
"""

from urllib.parse import unquote

from chroniccare.lambdas.api import serving

_OF_OTHERS = frozenset({"patients", "providers"})
"""Records that have functions of their own; what hangs on one of them may be here."""
_NAMED = {
    "links": ("doses", "offers", "visits"),
    "records": (
        "access-report", "audit", "audit-chain", "audit-logs", "erase", "export", "legal-hold",
        "privacy-jobs", "readings",
    ),
    "staff": ("api-keys", "break-glass", "smart-clients", "staff"),
    "visits": (
        "calendar-feeds", "calendars", "group-sessions", "recalls", "resources",
        "scheduling-policy", "visit-types", "waitlist",
    ),
    "work": ("codes", "outbox", "tasks", "webhooks"),
}  # fmt: skip
PARTS = {
    word: f"chroniccare.lambdas.clinic_{part}" for part, words in _NAMED.items() for word in words
}
"""By the word of a path that says of what it is: the module that has it."""


def part(path: str) -> str | None:
    """Return the module that has the routes of a path; None: there are none."""
    words = unquote(path).removeprefix("/api/v1").strip("/").split("/")
    word = words[2] if words[0] in _OF_OTHERS and len(words) > 2 else words[0]  # noqa: PLR2004  of one
    return PARTS.get(word)


handler = serving("clinic", (), apart=part)
