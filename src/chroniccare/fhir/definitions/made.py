"""Where the Structs stand once they are made: msgspec looks up here those that others name."""

from typing import Annotated

import msgspec

__all__ = ["AT_LEAST_ONE", "Annotated", "msgspec"]

AT_LEAST_ONE = msgspec.Meta(min_length=1)
