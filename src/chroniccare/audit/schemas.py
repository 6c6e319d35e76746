"""Wire shapes of the audit log."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Instant, Wire

Purpose = Literal["treatment", "break_glass", "patient_request", "operations"]
Outcome = Literal["success", "refused"]


class AuditEntry(Wire):
    """One thing that someone did or saw; entries are never changed or removed."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    entity_type: Annotated[str, Field(description="Kind of record.", examples=["patient"])]
    entity_id: Annotated[
        UUID | None, Field(description="The record; null for a list, see `metadata.seen`.")
    ]
    action: Annotated[str, Field(description="What was done.", examples=["update"])]
    user_id: Annotated[
        UUID | None,
        Field(
            description="API key, staff user, calendar feed or offer; null for the system's own"
            " work."
        ),
    ]
    user_type: Annotated[
        str | None,
        Field(
            description="`api_key`, `staff`, `smart_client`, `calendar_feed`, `waitlist_offer` (the"
            " patient, by the link in an offer), `visit_link`, `dose_link`, `unsubscribe_link` (in"
            " an email), `patient` (by a reply) or `system`.",
            examples=["api_key"],
        ),
    ]
    changes: Annotated[
        dict[str, Any],
        Field(
            description="The fields that differ, `before` and `after`; empty for a read.",
            examples=[{"before": {"language": "en"}, "after": {"language": "es"}}],
        ),
    ]
    metadata: Annotated[
        dict[str, Any],
        Field(
            description="Request id, `purpose` of use (`treatment`, `break_glass`, "
            "`patient_request`, `operations`) and `outcome` (`success`, `refused`); with "
            "`breakGlass` the access that was made use of.",
            examples=[{"requestId": "", "purpose": "treatment", "outcome": "success"}],
        ),
    ]
    ip_address: Annotated[
        str | None, Field(description="Address of the request.", examples=["192.0.2.7"])
    ]
    created_at: Annotated[Instant, Field(description="UTC instant.")]


class AuditFinding(Wire):
    """One thing that is wrong with the chain of the audit."""

    kind: Annotated[str, Field(description="`changed`, `deleted`, ...: docs/audit.md.")]
    first: Annotated[int | None, Field(description="Number in the chain; null without a seal.")]
    last: Annotated[int | None, Field(description="End of a range; null: of one.")]
    audit_id: Annotated[UUID | None, Field(description="The entry, if one can be named.")]
    at: Annotated[Instant | None, Field(description="When it was written, in UTC.")]


class AuditChain(Wire):
    """What a look at the chain from end to end has found."""

    sealed: Annotated[int, Field(description="Seals looked at.", examples=[48210])]
    waiting: Annotated[int, Field(description="Entries that have no seal yet, and may.")]
    wrong: Annotated[int, Field(description="How many findings there are; 0: it is intact.")]
    findings: Annotated[list[AuditFinding], Field(description="The first hundred.")]
