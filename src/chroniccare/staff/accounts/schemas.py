"""Wire shapes of local accounts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Wire


class PasswordReset(Wire):
    """What is reset."""

    remove_second_factor: Annotated[
        bool,
        Field(
            description="For whoever has lost the authenticator and the recovery codes.",
            examples=[False],
        ),
    ]


class PasswordGiven(Wire):
    """A password to be handed over."""

    staff_id: Annotated[UUID, Field(description="Whose it is.")]
    expires_at: Annotated[
        datetime | None, Field(description="UTC instant until which it must be changed.")
    ]
    has_second_factor: Annotated[
        bool, Field(description="Whether a code is asked for besides it.", examples=[False])
    ]
    password: Annotated[
        str | None,
        Field(
            description="Shown once: a repeated Idempotency-Key answers null.",
            examples=["7mq2k-x9fpd-3hw8n-zt5rv"],
        ),
    ]
