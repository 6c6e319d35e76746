"""What a browser sends with a form."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from fastapi import Request

from chroniccare.core.errors import Invalid

CSRF = "csrf"
OWNER = "owner"
ONCE = "once"
VERSION = "version"
_MOST_DIGITS = 9
"""More than any field takes; what JSON cannot carry as a number is far beyond."""


@dataclass(frozen=True, slots=True)
class Form:
    """Fields of a form, blanks at both ends taken off.

    Attributes:
        values: all values of each field, in the order of the page.
    """

    values: dict[str, list[str]]

    def text(self, name: str, default: str = "") -> str:
        """Return the first value of a field."""
        return (self.values.get(name) or [default])[0]

    def some(self, name: str) -> str | None:
        """Return the first value of a field, None where it is empty: the API's "not given"."""
        return self.text(name) or None

    def all(self, name: str) -> list[str]:
        """Return every value of a field that is not empty."""
        return [one for one in self.values.get(name, []) if one]

    def lines(self, name: str) -> list[str]:
        """Return the lines of a field that hold something."""
        return [one.strip() for one in self.text(name).splitlines() if one.strip()]

    def checked(self, name: str) -> bool:
        """Return whether a box is ticked."""
        return bool(self.text(name))

    def number(self, name: str) -> int | str | None:
        """Return a whole number; what is none is returned as it is, for the API to refuse."""
        return whole(self.text(name))

    def id(self, name: str) -> UUID | None:
        """Return an id, None where the field is empty.

        Raises:
            Invalid: it is none; ids become parts of addresses, so nothing else may pass.
        """
        text = self.text(name)
        try:
            return UUID(text) if text else None
        except ValueError:
            raise Invalid.field(name, "must be an id", "uuid") from None

    @property
    def once(self) -> str | None:
        """Return the key under which this form has one effect."""
        return self.some(ONCE)

    @property
    def version(self) -> str | None:
        """Return the version of the record that the page showed."""
        return self.some(VERSION)


def whole(text: str) -> int | str | None:
    """Return a whole number of at most 9 digits, None for nothing; else the text as it is."""
    digits = text.removeprefix("-")
    is_whole = digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS
    return int(text) if is_whole else text or None


async def read(request: Request) -> Form:
    """Return the request's form; it is read once however often this is called."""
    values: dict[str, list[str]] = {}
    for name, value in (await request.form()).multi_items():
        values.setdefault(name, []).append(value.strip() if isinstance(value, str) else "")
    return Form(values)


def new_once() -> str:
    """Return a key for a form that is about to be shown."""
    return str(uuid4())
