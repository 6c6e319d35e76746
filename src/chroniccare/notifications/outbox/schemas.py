"""Wire shapes of what the local outbox keeps."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Instant, Wire
from chroniccare.notifications.schemas import Channel


class OutboxMessage(Wire):
    """One message as a provider would have got it."""

    id: Annotated[UUID, Field(description="The attempt.")]
    notification_id: Annotated[UUID, Field(description="The notification.")]
    patient_id: Annotated[UUID | None, Field(description="The patient, if it is about one.")]
    appointment_id: Annotated[UUID | None, Field(description="The visit it is about.")]
    channel: Annotated[Channel, Field(description="Its channel.", examples=["sms"])]
    notification_type: Annotated[
        str, Field(description="What it says.", examples=["appointment_reminder"])
    ]
    recipient: Annotated[str, Field(description="Whom it goes to.", examples=["+14155550123"])]
    subject: Annotated[str | None, Field(description="Of an email.", examples=[None])]
    body: Annotated[str, Field(description="What they read.", examples=["Your visit is ..."])]
    html: Annotated[str | None, Field(description="The same as HTML, of an email alone.")]
    created_at: Annotated[Instant, Field(description="UTC instant at which it was handed over.")]
