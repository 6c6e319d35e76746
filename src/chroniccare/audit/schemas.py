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
            " patient, by the link in an offer), `visit_link`, `unsubscribe_link` (in an email),"
            " `patient` (by a reply) or `system`.",
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
