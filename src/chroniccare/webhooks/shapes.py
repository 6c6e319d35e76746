"""What endpoints of another shape need: a slice above says it, and the worker hands it in.

Endpoints of shape `event` are told of events as docs/webhooks.md says. Those of another shape
choose among the events of the types that they name, and are told in another form.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from chroniccare.platform.postgres import Tx
from chroniccare.webhooks.queries_deliveries import Due, Event

EVENT = "event"


@dataclass(frozen=True, slots=True)
class Told:
    """What is sent of an event: the body, its type, and headers that no log may keep."""

    body: bytes
    media_type: str
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Shape:
    """How endpoints of one shape are told.

    Attributes:
        picks: returns which of some events an endpoint wants.
        told: returns what is sent, the same at each attempt; None: it cannot be opened any more.
    """

    picks: Callable[[Tx, UUID, Sequence[Event]], Awaitable[set[UUID]]]
    told: Callable[[Tx, Due], Awaitable[Told | None]]


Shapes = Mapping[str, Shape]
NONE: Shapes = {}
