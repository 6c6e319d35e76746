"""Wire shapes of drivers."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from chroniccare.core.fields import Instant, Wire
from chroniccare.notifications.schemas import Channel


class Driver(Wire):
    """One driver of a channel in one worker process."""

    process: Annotated[UUID, Field(description="The worker process; new at each start.")]
    channel: Annotated[Channel, Field(description="Its channel.", examples=["sms"])]
    driver: Annotated[str, Field(description="Its name in the settings.", examples=["aws"])]
    state: Annotated[
        Literal["closed", "open", "half_open"],
        Field(
            description="Its breaker: called, left alone, or one call to try.", examples=["open"]
        ),
    ]
    reason: Annotated[
        str | None,
        Field(description="Code of the failure that opened it.", examples=["unavailable"]),
    ]
    until: Annotated[
        Instant | None, Field(description="UTC instant at which one call is tried again.")
    ]
    weight: Annotated[
        int, Field(ge=1, le=100, description="Its share as set, of all weights.", examples=[80])
    ]
    eased: Annotated[
        int,
        Field(ge=1, le=100, description="Its share now: less while much is late.", examples=[70]),
    ]
    parts_per_second: Annotated[
        int, Field(ge=0, description="Message parts a second at most; 0: no limit.", examples=[20])
    ]
    updated_at: Annotated[Instant, Field(description="UTC instant of this; a minute old at most.")]


class Drivers(Wire):
    """The drivers of every worker process that lives."""

    drivers: Annotated[list[Driver], Field(description="By channel, driver and process.")]
