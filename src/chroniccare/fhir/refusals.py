"""What R4 forbids to ignore: who does not understand it must refuse the resource that has it.

Modifier extensions can turn the meaning of what stands beside them around, and implicit rules can
do so with all of it (https://hl7.org/fhir/R4/extensibility.html#modifierExtension). None are known.
"""

from collections.abc import Iterator
from typing import Any

from chroniccare.core.errors import FieldError, Unprocessable
from chroniccare.fhir.kind import Resource

_MODIFIES = {"modifierExtension": "extension", "implicitRules": "not-supported"}


def check(said: Resource) -> None:
    """Check that nothing in a resource changes its meaning.

    Raises:
        Unprocessable: something may; every place is named.
    """
    wrong = [
        FieldError(place, "is not understood, and must not be ignored", code)
        for place, code in _found(said, str(said.get("resourceType")))
    ]
    if wrong:
        raise Unprocessable(details=wrong)


def _found(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from _found(one, f"{place}[{number}]")
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in _MODIFIES:
                yield f"{place}.{name}", _MODIFIES[name]
            else:
                yield from _found(one, f"{place}.{name}")
