"""What an email carries beside its text; `ics` makes it, and most who name it never do."""

from dataclasses import dataclass
from typing import Literal

Method = Literal["PUBLISH", "CANCEL"]


@dataclass(frozen=True, slots=True)
class Attachment:
    """One visit for a mail client; `method` says whether to keep it or to remove it."""

    method: Method
    data: bytes
