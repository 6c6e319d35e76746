"""What a place must do that takes copies of the audit."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class CopyError(Exception):
    """The copy was not taken, or may not have been; it is made again. `code` is a word of ours."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Place(Protocol):
    """Where copies go."""

    async def put(self, tenant_id: UUID, rows: list[bytes], at: datetime) -> None:
        """Keep rows, each a JSON object, in this order; `at` is now, UTC.

        Raises:
            CopyError: they are not kept, or that is not known.
        """
