"""What goes wrong, call by call: a list for a test, or chances from a seed for a long run."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal, get_args

Kind = Literal[
    "ok",  # taken, and answered
    "slow",  # the same after `ms`
    "hang",  # neither taken nor answered; the connection stays open
    "hang_after",  # taken, never answered
    "reset_before",  # the connection is reset before anything is taken
    "reset_after",  # taken, then the connection is reset
    "close_after",  # taken, then the connection is closed
    "error",  # 500, nothing taken
    "unavailable",  # 503, nothing taken
    "timeout",  # 504 from something in between; taken
    "throttle",  # the protocol's own word for too many
    "garble",  # taken; the answer cannot be read
    "duplicate",  # taken once, delivered twice
    "quota",  # no money or no allowance left
    "denied",  # our account may not
    "opted_out",  # the recipient may not be written to
    "invalid",  # the address is none
]
KINDS: tuple[str, ...] = get_args(Kind)
TAKEN = frozenset({"ok", "slow", "duplicate", "hang_after", "reset_after", "close_after",
                   "timeout", "garble"})  # fmt: skip
"""Faults after which the message reaches the phone all the same."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What becomes of one call; `ms` is how long `slow` takes."""

    kind: Kind = "ok"
    ms: int = 0


@dataclass(slots=True)
class Plan:
    """Decides about each sending call: first from `script`, then by `chances`, else all is well.

    Attributes:
        chances: share of calls, 0 to 1, that each kind gets.
        delay_ms: how long every answer takes; `slow_ms`, a slow one.
        seed: the same seed gives the same faults to the same sequence of calls.
    """

    script: deque[Fault] = field(default_factory=deque)
    chances: Mapping[Kind, float] = field(default_factory=dict)
    seed: int = 0
    delay_ms: int = 0
    slow_ms: int = 1000
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311  faults that can be repeated

    def next(self) -> Fault:
        """Return what becomes of the next call."""
        if self.script:
            return self.script.popleft()
        drawn = self.random.random() if self.chances else 1.0
        for kind, chance in self.chances.items():
            drawn -= chance
            if drawn < 0:
                return Fault(kind, self.slow_ms if kind == "slow" else 0)
        return Fault()


def parse_chances(text: str) -> dict[Kind, float]:
    """Return the chances written as `slow=0.1,reset_after=0.01`.

    Raises:
        ValueError: one is of no known kind, or they are more than 1.
    """
    chances: dict[Kind, float] = {}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        kind = next((one for one in get_args(Kind) if one == name.strip()), None)
        if kind is None:
            raise ValueError(f"{name.strip()}: must be one of {', '.join(KINDS)}")
        chances[kind] = float(value)
    if any(not 0 <= chance <= 1 for chance in chances.values()) or sum(chances.values()) > 1:
        raise ValueError("the chances must lie between 0 and 1 and come to 1 at most")
    return chances
