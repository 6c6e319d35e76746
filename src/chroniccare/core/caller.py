"""Who is asking, and what that caller may do."""

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Caller:
    """One authenticated caller, for the length of one request or one job.

    Attributes:
        tenant_id: the only tenant whose rows this caller can see.
        actor_id: API key, staff user, calendar feed, offer, visit or patient; None for the
            system's own work.
        actor_type: `api_key`, `staff`, `calendar_feed`, `waitlist_offer` (the patient, through the
            link in an offer), `visit_link` (in a message about a visit), `patient` (by a reply) or
            `system`; the audit's `user_type`.
        scopes: what the caller may do, such as `patients:read`.
        request_id: id of the request or job, for logs and audit.
        ip_address: address the request came from, if there was one.
    """

    tenant_id: UUID
    actor_id: UUID | None
    actor_type: str
    scopes: frozenset[str] = field(default_factory=frozenset)
    request_id: str = ""
    ip_address: str | None = None


def system(tenant_id: UUID, *, job: str) -> Caller:
    """Return the caller for the system's own work in one tenant; `job` names the work."""
    return Caller(tenant_id=tenant_id, actor_id=None, actor_type="system", request_id=job)
