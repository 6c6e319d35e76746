"""Wire shapes of staff."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from chroniccare.core.fields import Line, Name, Wire, email_address

Role = Literal["administrator", "clinician", "front_desk", "auditor"]


class StaffWrite(Wire):
    """A member of staff as a client writes it."""

    email: Annotated[
        Line,
        AfterValidator(lambda text: email_address(text).lower()),
        Field(
            description="Unique in the clinic; kept in lower case.",
            examples=["dana.lee@clinic.example"],
        ),
    ]
    display_name: Annotated[Name, Field(description="What others call them.", examples=["Dana"])]
    role: Annotated[Role, Field(description="What they may do.", examples=["front_desk"])]
    issuer: Annotated[
        Line | None,
        Field(
            description="Who signs their tokens, as in `iss`; one of those that the operator set.",
            examples=[None],
        ),
    ] = None
    subject: Annotated[
        Line | None,
        Field(description="Whom that issuer calls them, as in `sub`.", examples=[None]),
    ] = None
    is_active: Annotated[bool, Field(description="False: their tokens are refused.")] = True

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.issuer is None) != (self.subject is None):
            raise PydanticCustomError("pair", "issuer and subject must be given together")
        return self


class Staff(StaffWrite):
    """A member of staff as the API answers it."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[datetime, Field(description="UTC instant of creation.")]
    updated_at: Annotated[datetime, Field(description="UTC instant of the last change.")]
