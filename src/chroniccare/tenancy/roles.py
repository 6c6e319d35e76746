"""What each role may do, and what it does not see: the only place that says so.

`system` is what API keys and other services are; theirs are the scopes they were given.
"""

from chroniccare.tenancy.rules import SCOPES

_READS = frozenset(scope for scope in SCOPES if scope.endswith(":read"))
# An export is everything about a patient at once, which no mask holds back.
_CLINICAL = _READS - {
    "api_keys:read", "audit:read", "break_glass:read", "privacy:read", "smart_clients:read",
    "spend:read", "staff:read", "webhooks:read",
}  # fmt: skip

ROLES: dict[str, frozenset[str]] = {
    "administrator": SCOPES - {"medications:write", "medications:override", "records:write"},
    "clinician": _CLINICAL
    | {
        "appointments:override",
        "appointments:write",
        "medications:override",
        "medications:write",
        "notifications:write",
        "patients:write",
        "recalls:write",
        "records:write",
        "tasks:write",
    },
    "front_desk": frozenset(
        {
            "appointments:read",
            "appointments:write",
            "break_glass:write",
            "facilities:read",
            "notifications:read",
            "patients:read",
            "patients:write",
            "providers:read",
            "recalls:read",
            "recalls:write",
            "replies:read",
            "scheduling:read",
            "tasks:read",
            "tasks:write",
            "telehealth:read",
            "templates:read",
        }
    ),
    "auditor": _READS - {"privacy:read", "replies:read", "telehealth:read"},
    "system": SCOPES,
}
STAFF = frozenset(ROLES) - {"system"}
EMERGENCY = ROLES["clinician"] & _READS
"""What break-glass access adds for its hour."""
