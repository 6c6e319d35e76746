"""Wire shapes of a gateway's callbacks."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, model_validator

from chroniccare.core.fields import Instant, Wire


class GatewayReceipt(Wire):
    """What a gateway tells of one message."""

    id: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=200,
            description="The event's own id; the same event sent again changes nothing. Without "
            "it message, status and time name the event.",
            examples=["evt-7731"],
        ),
    ] = None
    reference: Annotated[
        UUID | None, Field(description="The `reference` that the message was handed over with.")
    ] = None
    message_id: Annotated[
        str | None,
        Field(
            pattern=r"^[\x21-\x7e]{1,200}$",
            description="The `id` that the gateway answered; needed without `reference`.",
            examples=["m-4711"],
        ),
    ] = None
    status: Annotated[
        Literal[
            "accepted",
            "delayed",
            "undelivered",
            "rejected",
            "bounced_soft",
            "bounced_hard",
            "opted_out",
            "delivered",
            "complained",
        ],
        Field(description="What became of it.", examples=["delivered"]),
    ]
    code: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9_.:-]{1,64}$",
            description="The gateway's word for it; no text, no number.",
            examples=["unreachable"],
        ),
    ] = None
    occurred_at: Annotated[
        Instant | None, Field(description="UTC instant at which it happened.")
    ] = None

    segments: Annotated[
        int | None, Field(ge=1, le=255, description="Segments that it charges.", examples=[1])
    ] = None
    price: Annotated[
        float | None,
        Field(
            ge=0, le=1000, examples=[0.0079],
            description="What it charges for the message, in the currency of the clinic's limits.",
        ),
    ] = None  # fmt: skip

    @model_validator(mode="after")
    def _names_a_message(self) -> "GatewayReceipt":
        if self.reference is None and self.message_id is None:
            raise ValueError("needs reference or message_id")
        return self


class Callback(Wire):
    """One call: receipts of a gateway, or events of AWS that a forwarder passes on."""

    receipts: Annotated[
        list[GatewayReceipt], Field(max_length=100, description="Up to a hundred.")
    ] = []
    events: Annotated[
        list[dict[str, Any]],
        Field(
            max_length=100,
            description="Events of End User Messaging or SES, or lines of SNS's delivery log, as "
            "AWS wrote them.",
        ),
    ] = []

    @model_validator(mode="after")
    def _holds_something(self) -> "Callback":
        if not self.receipts and not self.events:
            raise ValueError("needs receipts or events")
        return self
