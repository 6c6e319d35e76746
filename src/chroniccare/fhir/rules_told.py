"""What of our states and actions is what in FHIR, which resources and SQL both go by. Pure."""

from collections.abc import Mapping

PLANNED = {
    "pending": "active",
    "queued": "active",
    "sending": "active",
    "unknown": "active",
    "needs_staff": "active",
    "held": "on-hold",
    "accepted": "completed",
    "delivered": "completed",
    "unconfirmed": "completed",
    "undelivered": "revoked",
    "failed": "revoked",
    "suppressed": "revoked",
    "expired": "revoked",
    "cancelled": "revoked",
    "superseded": "revoked",
}
"""Of a CommunicationRequest: R4 has no status for what was tried and failed; `completed` would hide
it."""
SENT = {
    "sending": "in-progress",
    "unknown": "in-progress",
    "needs_staff": "in-progress",
    "accepted": "completed",
    "delivered": "completed",
    "unconfirmed": "completed",
    "undelivered": "stopped",
    "failed": "stopped",
    "suppressed": "not-done",
    "expired": "not-done",
}
"""Of a Communication: what waits, or was withdrawn, is a request alone."""

OUTCOMES = {"success": "0", "refused": "4"}
READS = ("access_report", "export", "list", "read", "search")
"""With what begins with `read_` or `list_`, the actions that only look."""
RUNS = ("check", "claim", "ping", "replay", "resend", "token")
"""What does something and changes no record."""
MAKES = ("create", "import")
REMOVES = ("delete", "erase", "remove", "revoke", "void")
STORED = (
    "AllergyIntolerance", "CarePlan", "Condition", "Coverage", "Device", "DiagnosticReport",
    "DocumentReference", "Encounter", "Endpoint", "EpisodeOfCare", "FamilyMemberHistory", "Flag",
    "Goal", "Group", "Immunization", "List", "Media", "Medication", "Observation", "Procedure",
    "Questionnaire", "QuestionnaireResponse", "ServiceRequest", "Specimen", "Task",
)  # fmt: skip
"""Types that are stored as they were written: the audit calls them by their own names."""
TARGETS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Patient": ("patient", ()),
    "CareTeam": ("patient", ("assign", "unassign")),
    "Consent": ("patient", ("resubscribe", "update_preferences")),
    "RelatedPerson": ("related_person", ()),
    "Practitioner": ("provider", ()),
    "Location": ("facility", ()),
    "HealthcareService": ("visit_type", ()),
    "Organization": ("tenant", ()),
    "Appointment": ("appointment", ()),
    "MedicationRequest": ("medication", ()),
    "MedicationStatement": ("medication", ()),
    "MedicationDispense": ("medication_fill", ()),
    "MedicationAdministration": ("medication_adherence", ()),
    "CommunicationRequest": ("notification", ()),
    "Communication": ("notification", ()),
    **{name: (name, ()) for name in STORED},
}
"""What the audit calls a record of each type, and the actions that are of it if not all are."""


def letter(action: str) -> str:
    """Return what an action is in FHIR: C, R, U, D or E. `LETTER` says the same in SQL."""
    if action in READS or action.startswith(("read_", "list_")):
        return "R"
    for name, actions in (("C", MAKES), ("D", REMOVES), ("E", RUNS)):
        if action in actions:
            return name
    return "U"


def among(words: tuple[str, ...]) -> str:
    """Return words of ours as SQL has them behind IN."""
    return f"({', '.join(map(repr, words))})"


IS_SENT = f"delivery_status IN {among(tuple(SENT))}"
LETTER = (
    f"(CASE WHEN a.action IN {among(READS)} OR a.action ^@ 'read_' OR a.action ^@ 'list_'"
    f" THEN 'R' WHEN a.action IN {among(MAKES)} THEN 'C' WHEN a.action IN {among(REMOVES)}"
    f" THEN 'D' WHEN a.action IN {among(RUNS)} THEN 'E' ELSE 'U' END)"
)
OUTCOME = "coalesce(a.metadata ->> 'outcome', 'success')"
NOT_READ = f"a.action NOT IN {among(READS)}"
"""What the index of changes is of; PostgreSQL uses it for these very words."""
WRITTEN = (
    f"{NOT_READ} AND {LETTER} IN ('C', 'U', 'D') AND {OUTCOME} = 'success'"
    " AND a.entity_id IS NOT NULL"
    f" AND a.entity_type IN {among(tuple(sorted({entity for entity, _ in TARGETS.values()})))}"
)
"""Condition that an entry `a` of the audit is of a write, of something that is served."""


def stored(codes: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Return what is stored for each code of FHIR."""
    return {
        code: tuple(own for own, theirs in codes.items() if theirs == code)
        for code in codes.values()
    }
