"""Wire shape of one message that staff ask for."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Instant, Wire

# Those of `templates.kinds` that are about a visit alone; a test compares.
Kind = Literal[
    "appointment_confirmation",
    "appointment_rescheduled",
    "appointment_reminder",
    "appointment_cancelled",
]


class NotificationWrite(Wire):
    """A message to the patient of a visit, in the text of its type."""

    appointment_id: Annotated[UUID, Field(description="The visit it is about.")]
    notification_type: Annotated[
        Kind, Field(description="What it says.", examples=["appointment_reminder"])
    ]
    scheduled_send_time: Annotated[
        Instant | None,
        Field(
            description="When to send it, before the visit; now unless told. A reminder waits for "
            "the end of quiet hours.",
            examples=[None],
        ),
    ] = None
