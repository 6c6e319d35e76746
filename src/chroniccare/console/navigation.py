"""The screens of the console, in the order of the menu."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Screen:
    """One entry of the menu.

    Attributes:
        path: its address.
        name: what it is called in English; `words_es.json` has the Spanish.
        scope: who has it sees the entry; what the page shows, the API decides.
        key: opens it from anywhere, after `g`.
        icon: of `static/icons.svg`.
        group: heading above it.
    """

    path: str
    name: str
    scope: str
    key: str
    icon: str
    group: str


SCREENS = (
    Screen("/console/today", "Today", "appointments:read", "t", "today", "Visits"),
    Screen("/console/calendar", "Calendar", "appointments:read", "c", "calendar", "Visits"),
    Screen("/console/book", "Find a slot", "appointments:write", "b", "slot", "Visits"),
    Screen("/console/waitlist", "Waitlist", "appointments:read", "w", "waitlist", "Visits"),
    Screen("/console/groups", "Group sessions", "appointments:read", "s", "group", "Visits"),
    Screen("/console/patients", "Patients", "patients:read", "p", "patient", "Care"),
    Screen("/console/recalls", "Recall", "recalls:read", "r", "recall", "Care"),
    Screen("/console/adherence", "Adherence", "medications:read", "a", "adherence", "Care"),
    Screen("/console/messages", "Messages", "notifications:read", "m", "message", "Messages"),
    Screen("/console/failed", "Failed messages", "notifications:read", "f", "failed", "Messages"),
    Screen("/console/replies", "Replies", "replies:read", "i", "reply", "Messages"),
    Screen("/console/templates", "Templates", "templates:read", "x", "template", "Messages"),
    Screen("/console/outbox", "Outbox", "replies:read", "o", "outbox", "Messages"),
    Screen("/console/availability", "Availability", "scheduling:read", "v", "hours", "Clinic"),
    Screen("/console/audit", "Audit", "audit:read", "u", "audit", "Clinic"),
    Screen("/console/admin", "Administration", "staff:read", "d", "admin", "Clinic"),
)
