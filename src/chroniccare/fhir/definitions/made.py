"""Where the Structs stand once they are made: msgspec looks up here those that others name."""

from typing import Annotated

import msgspec

__all__ = ["AT_LEAST_ONE", "Annotated", "Short", "msgspec"]

AT_LEAST_ONE = msgspec.Meta(min_length=1)
Short = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
"""A text that is remembered; longer ones are rare enough to be walked to."""
