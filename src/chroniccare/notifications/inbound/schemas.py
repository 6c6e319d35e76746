"""Wire shapes of replies: as a gateway posts them, and as staff read them."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Wire


class GatewayReply(Wire):
    """One text message that a gateway received."""

    id: Annotated[
        str,
        Field(
            pattern=r"^[\x21-\x7e]{1,200}$",
            description="The message's own id; the same message sent again changes nothing.",
            examples=["in-7731"],
        ),
    ]
    sender: Annotated[
        str,
        Field(
            min_length=1, max_length=64, description="Who wrote, in international form.",
            examples=["+14155550123"],
        ),
    ]  # fmt: skip
    recipient: Annotated[
        str | None,
        Field(max_length=64, description="Our number.", examples=["+12065550100"]),
    ] = None
    text: Annotated[
        str, Field(description="What they wrote; cut at 2,000 characters.", examples=["Yes"])
    ]
    in_reply_to: Annotated[
        str | None,
        Field(
            pattern=r"^[\x21-\x7e]{1,200}$",
            description="The `id` that the gateway answered for the message this one answers.",
            examples=["m-4711"],
        ),
    ] = None


class Callback(Wire):
    """One call: replies that a gateway received."""

    replies: Annotated[
        list[GatewayReply], Field(min_length=1, max_length=100, description="Up to a hundred.")
    ]


Intent = Literal["confirm", "change", "no", "taken", "skip", "help", "stop", "stop_unsure",
                 "start", "thanks", "unknown"]  # fmt: skip
Outcome = Literal["confirming", "accepting", "declining", "change_asked", "asked", "outdated",
                  "nothing_open", "stopped", "stopped_unsure", "started", "helped", "noted",
                  "unread", "taking", "skipping"]  # fmt: skip


class Reply(Wire):
    """A reply as staff read it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    sender: Annotated[str, Field(description="Who wrote.", examples=["+14155550123"])]
    body: Annotated[str, Field(description="What they wrote.", examples=["Yes"])]
    cut: Annotated[bool, Field(description="True when it was longer than is kept.")]
    intent: Annotated[Intent, Field(description="What it was taken for.", examples=["confirm"])]
    outcome: Annotated[Outcome, Field(description="What followed.", examples=["confirming"])]
    patient_id: Annotated[UUID | None, Field(description="Whose number it is, if that is certain.")]
    appointment_id: Annotated[UUID | None, Field(description="The visit it is about.")]
    offer_id: Annotated[UUID | None, Field(description="The offer it is about.")]
    notification_id: Annotated[
        UUID | None, Field(description="The reminder of doses that it answers.")
    ]
    action: Annotated[
        Literal["confirm", "accept", "decline", "taken", "skip"] | None,
        Field(description="What it asks us to do.", examples=["confirm"]),
    ]
    action_status: Annotated[
        Literal["waiting", "done", "refused"] | None,
        Field(description="Whether that was done.", examples=["done"]),
    ]
    action_reason: Annotated[
        str | None,
        Field(description="Why it was refused, as a code.", examples=["APPOINTMENT_STATE"]),
    ]
    answered: Annotated[bool, Field(description="Whether the patient was answered.")]
    received_at: Annotated[
        datetime, Field(description="UTC instant.", examples=["2026-11-22T09:00:00Z"])
    ]
