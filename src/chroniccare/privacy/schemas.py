"""Wire shapes of the rights of a patient."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Instant, Paragraph, Wire

Kind = Literal["export", "erasure", "retention", "audit_retention"]
Reason = Annotated[
    Paragraph,
    Field(
        description="Who asked for it and why; it is kept with the job.",
        examples=["Asked by the patient in writing on 2026-11-30."],
    ),
]


class Request(Wire):
    """What is asked for about a patient."""

    reason: Reason


class Job(Wire):
    """What was done about a patient, and what it came to; it is kept."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    kind: Annotated[Kind, Field(description="What was done.")]
    status: Annotated[Literal["done"], Field(description="A job is done when it is answered.")]
    patient_id: Annotated[
        UUID | None, Field(description="Whose data; null for what was kept long enough.")
    ]
    reason: Reason
    report: Annotated[
        dict[str, Any],
        Field(
            description="`rows` by table and, of an export, `sha256` and `bytes` of its bundle.",
            examples=[{"rows": {"patients": 1, "appointments": 4}}],
        ),
    ]
    bundle_until: Annotated[
        Instant | None, Field(description="UTC instant until which an export can be fetched.")
    ]
    created_at: Annotated[Instant, Field(description="UTC instant.")]


class Hold(Wire):
    """Why a patient's data must be kept."""

    patient_id: Annotated[UUID, Field(description="Whose data.")]
    reason: Reason
    placed_at: Annotated[Instant, Field(description="UTC instant.")]


class Bundle(Wire):
    """Everything about one patient."""

    patient_id: Annotated[UUID, Field(description="Whose data.")]
    exported_at: Annotated[Instant, Field(description="UTC instant.")]
    tables: Annotated[
        dict[str, list[dict[str, Any]]],
        Field(
            description="The rows of each table, as they are stored.",
            examples=[{"patients": [{"first_name": "Maria"}]}],
        ),
    ]
