"""Where in a Bundle something is wrong."""

from chroniccare.core.errors import FieldError, Problem
from chroniccare.fhir.registry import KINDS


class Entry:
    """Has a problem say in which entry it is."""

    def __init__(self, place: int) -> None:
        """Name the entry by its place, from 0 on."""
        self.place = f"Bundle.entry[{place}]"

    def __enter__(self) -> None:
        """Do nothing yet."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Put the entry before what the problem says of its resource."""
        if isinstance(error, Problem):
            error.details = [
                FieldError(self._at(one.field), one.reason, one.code) for one in error.details
            ] or [FieldError(self.place, error.message, "entry")]

    def _at(self, field: str) -> str:
        kind, _, rest = field.partition(".")
        inside = kind in KINDS and rest
        return f"{self.place}.resource.{rest}" if inside else f"{self.place}.{field}"
