"""Who is asking, and what that caller may do."""

from dataclasses import dataclass, field, replace
from uuid import UUID

_BY_PATIENTS = frozenset({"patient", "unsubscribe_link", "visit_link", "waitlist_offer"})
Filters = tuple[tuple[str, str], ...]
"""Search parameters and values, all of which a record must match."""


@dataclass(frozen=True, slots=True)
class SmartScope:
    """What one SMART scope opens; `tenancy.smart_scopes` reads and compares them.

    Attributes:
        context: `system`, `user` or `patient`.
        type: of the FHIR resources, or `*`.
        letters: of `cruds`, in this order: create, read, update, delete, search.
        filters: which records; empty: all.
    """

    context: str
    type: str
    letters: str
    filters: Filters = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """One authenticated caller, for the length of one request or one job.

    Attributes:
        tenant_id: the only tenant whose rows this caller can see.
        actor_id: API key, staff user, SMART client, calendar feed, offer, visit, message or
            patient; None for the system's own work.
        actor_type: `api_key`, `staff`, `smart_client`, `calendar_feed`, `waitlist_offer` (the
            patient, through the link in an offer), `visit_link` (in a message about a visit),
            `unsubscribe_link` (in an email), `patient` (by a reply) or `system`; the audit's
            `user_type`.
        scopes: what the caller may do, such as `patients:read`.
        request_id: id of the request or job, for logs and audit.
        ip_address: address the request came from, if there was one.
        role: of a member of staff; None for whoever has scopes of their own.
        hidden: fields that the answer to this request must not hold.
        emergency_id: the break-glass access that this request makes use of.
        smart_scopes: what a SMART client may do under /fhir, which has no `scopes`; or what a
            member of staff has let an application do there, within the `scopes` of the role. Empty
            for all others.
        purpose: what the request is for, if that does not follow from who asks; see `use`.
    """

    tenant_id: UUID
    actor_id: UUID | None
    actor_type: str
    scopes: frozenset[str] = field(default_factory=frozenset)
    request_id: str = ""
    ip_address: str | None = None
    role: str | None = None
    hidden: frozenset[str] = frozenset()
    emergency_id: UUID | None = None
    smart_scopes: tuple[SmartScope, ...] = ()
    purpose: str = ""

    @property
    def use(self) -> str:
        """Return the purpose of use: `treatment` unless it is known to be another one.

        `break_glass`: an emergency; `patient_request`: the patient asked for it, or does it;
        `operations`: the system's own work.
        """
        if self.emergency_id is not None:
            return "break_glass"
        if self.actor_type in _BY_PATIENTS:
            return "patient_request"
        return self.purpose or ("operations" if self.actor_type == "system" else "treatment")

    @property
    def trail(self) -> dict[str, str]:
        """Return what the audit keeps beside what was done: request, purpose, outcome.

        The outcome is that it was done; of what was refused, `refused` stands there instead.
        """
        kept = {"requestId": self.request_id, "purpose": self.use, "outcome": "success"}
        if self.emergency_id is not None:
            kept["breakGlass"] = str(self.emergency_id)
        return kept


def at_request(caller: Caller) -> Caller:
    """Return `caller`, who acts because the patient has asked for it."""
    return replace(caller, purpose="patient_request")


def system(tenant_id: UUID, *, job: str) -> Caller:
    """Return the caller for the system's own work in one tenant; `job` names the work."""
    return Caller(tenant_id=tenant_id, actor_id=None, actor_type="system", request_id=job)
