"""Wire shapes of break-glass access."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Paragraph, Wire


class BreakGlassWrite(Wire):
    """Why it is needed."""

    reason: Annotated[
        Paragraph,
        Field(
            description="Why, for whoever looks into it afterwards; no name of a patient.",
            examples=["Unconscious at the desk: what do they take?"],
        ),
    ]


class BreakGlass(BreakGlassWrite):
    """One hour of somebody."""

    id: Annotated[UUID, Field(description="UUID version 7; the audit's `breakGlass`.")]
    staff_id: Annotated[UUID, Field(description="Whose it is.")]
    started_at: Annotated[
        datetime, Field(description="UTC instant.", examples=["2026-11-22T09:00:00Z"])
    ]
    expires_at: Annotated[datetime, Field(description="UTC instant, an hour later.")]
    ended_at: Annotated[
        datetime | None, Field(description="UTC instant at which somebody ended it, if they did.")
    ]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
