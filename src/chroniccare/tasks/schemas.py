"""Wire shapes of tasks."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Name, Prose, Wire, Word

Status = Literal["requested", "in-progress", "completed", "cancelled"]
Priority = Literal["normal", "high", "urgent"]
Version = Annotated[int, Field(description="Grows with every change; the ETag.", examples=[1])]
Said = Annotated[
    Prose | None,
    Field(description="For colleagues; it is kept with the task.", examples=["Called back."]),
]


class Task(Wire):
    """One thing that somebody must look at."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    code: Annotated[str, Field(description="What is to be done.", examples=["change_requested"])]
    status: Annotated[Status, Field(description="Where it stands, as in FHIR.")]
    priority: Annotated[Priority, Field(description="How soon.", examples=["normal"])]
    reason: Annotated[str, Field(description="Why it was opened.", examples=["patient_asked"])]
    patient_id: Annotated[UUID | None, Field(description="Whom it is about, if that is known.")]
    focus_type: Annotated[
        str | None, Field(description="Kind of record it is about.", examples=["appointment"])
    ]
    focus_id: Annotated[UUID | None, Field(description="The record it is about.")]
    assigned_to: Annotated[
        str | None, Field(description="Who has claimed it.", examples=["Dana Lee"])
    ]
    due_at: Annotated[
        datetime | None,
        Field(description="UTC instant after which it is too late.",
              examples=["2026-12-01T15:00:00Z"]),
    ]  # fmt: skip
    outcome: Annotated[
        str | None, Field(description="What came of it, as a word.", examples=["rebooked"])
    ]
    note: Said
    opened_by: Annotated[
        str, Field(description="What kind of caller opened it.", examples=["system"])
    ]
    version: Version
    created_at: Annotated[
        datetime, Field(description="UTC instant.", examples=["2026-11-22T09:00:00Z"])
    ]
    updated_at: Annotated[
        datetime, Field(description="UTC instant.", examples=["2026-11-22T09:00:00Z"])
    ]
    closed_at: Annotated[
        datetime | None, Field(description="UTC instant.", examples=["2026-11-22T10:00:00Z"])
    ]
    assigned_key: Annotated[
        UUID | None,
        Field(description="The member of staff, or the API key, by whom it was claimed."),
    ]


class Claim(Wire):
    """Who takes it on."""

    worker: Annotated[Name, Field(description="Who works on it.", examples=["Dana Lee"])]


class Completion(Wire):
    """What came of it."""

    outcome: Annotated[
        Word, Field(description="What came of it, as a word.", examples=["rebooked"])
    ]
    note: Said = None


class Cancellation(Wire):
    """Why nothing need be done."""

    reason: Annotated[
        Word, Field(description="Why nothing need be done, as a word.", examples=["duplicate"])
    ]
    note: Said = None
