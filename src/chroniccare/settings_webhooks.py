"""What an operator may change about webhooks: a part of `settings.Settings`."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field


class WebhookSettings(BaseModel):
    """Where events may be sent."""

    webhook_targets: Annotated[
        Literal["public", "any"],
        Field(
            description="Where webhooks may go, and keys of SMART clients be: `public` is https on "
            "port 443 of public addresses; `any` (also http, other ports and private addresses) is "
            "for development only."
        ),
    ] = "public"
