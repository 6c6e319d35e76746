"""The statement that looks whether what a resource refers to is there, put together by types."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from chroniccare.fhir.kind import Kind
from chroniccare.platform.postgres import Command


def there(kinds: Mapping[str, Kind], wanted: Mapping[str, Sequence[UUID]]) -> Command:
    """Return the statement that reads `Type/id` of those that exist; $1 and so on are the ids.

    The texts are constants of the registry; what a client sent are arguments.
    """
    parts = [
        f"SELECT '{name}/' || {kinds[name].id} FROM {kinds[name].source}"  # noqa: S608  see above
        f" WHERE {kinds[name].where} AND {kinds[name].id} = ANY(${number}::uuid[])"
        for number, name in enumerate(wanted, 1)
    ]
    return Command(" UNION ALL ".join(parts))
