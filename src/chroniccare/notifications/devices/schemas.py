"""Wire shapes of devices."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from chroniccare.core.fields import Instant, Language, Wire, Word

Platform = Literal["fcm", "apns", "apns_sandbox"]
Status = Literal["waiting", "enabled", "disabled"]


class DeviceWrite(Wire):
    """A device as the app names it, each time that it starts."""

    platform: Annotated[
        Platform, Field(description="Whose push service the token is of.", examples=["fcm"])
    ]
    token: Annotated[
        str,
        StringConstraints(min_length=8, max_length=2048, pattern=r"^[\x21-\x7e]+$"),
        Field(
            description="What the push service gave the app; it is never answered.",
            examples=["dGhlIGFwcCBrbm93cyBpdA:APA91bF"],
            repr=False,
        ),
    ]
    app: Annotated[
        Word | None, Field(description="Name and version of the app.", examples=["MyClinic 3.2"])
    ] = None
    locale: Annotated[
        Language | None, Field(description="BCP 47 tag that the device is set to.", examples=["es"])
    ] = None


class Device(Wire):
    """A device as the API answers it: without its token."""

    id: Annotated[UUID, Field(description="UUID version 7.")]
    patient_id: Annotated[UUID, Field(description="The patient.")]
    platform: Annotated[Platform, Field(description="Whose push service.", examples=["fcm"])]
    app: Annotated[str | None, Field(description="Name and version of the app.")]
    locale: Annotated[str | None, Field(description="BCP 47 tag of the device.")]
    status: Annotated[
        Status,
        Field(
            description="`waiting`: to be registered; `enabled`: takes messages; `disabled`: the "
            "push service takes none for it until the app names a token again."
        ),
    ]
    reason: Annotated[
        str | None,
        Field(description="Why it is disabled, or waits still.", examples=["endpoint_disabled"]),
    ]
    seen_at: Annotated[Instant, Field(description="UTC instant the app last named its token.")]
    version: Annotated[int, Field(description="Grows with each change; the ETag.", examples=[1])]
    created_at: Annotated[Instant, Field(description="UTC instant of registration.")]
    updated_at: Annotated[Instant, Field(description="UTC instant of the last change.")]
