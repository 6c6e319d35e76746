"""Entries of a Bundle whose records one statement makes, before the rest of each is done."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager

from chroniccare.fhir import writing
from chroniccare.fhir.batches import Step
from chroniccare.fhir.referring import refers_to_entries
from chroniccare.fhir.registry import KINDS
from chroniccare.platform.gathering import each
from chroniccare.platform.postgres import Tx

MOST = 100
"""Records of one statement."""


def can(step: Step, entries: Collection[str]) -> bool:
    """Say whether the record of an entry can be made with others; `entries` are their addresses."""
    kind = KINDS.get(step.path[0])
    if kind is None or kind.writer is None or kind.writer.many is None or not step.is_plain:
        return False
    found = step.resource
    return len(step.path) == 1 and found is not None and not refers_to_entries(found, entries)


async def at_once(
    tx: Tx, steps: Sequence[Step], entry: Callable[[int], AbstractContextManager[None]]
) -> dict[int, writing.Made]:
    """Make the records of entries of one type, and return by place what `writing.create` needs.

    Raises:
        Problem: what `writing.create` refuses before a record is made; `entry` says whose it is.
    """
    kind = steps[0].kind
    many = kind.writer.many if kind.writer else None
    assert many is not None  # noqa: S101  `can` has looked
    said, arguments = [], []
    for step in steps:
        with entry(step.place):
            writer = writing.writer_of(tx.caller, kind, "c")
            assert step.resource is not None  # noqa: S101  likewise
            said.append(writing.checked(tx, kind, step.resource))
            async with writing.said_of(writer):
                arguments.append(await many.ready(tx, said[-1]))
    in_turn = sorted(arguments, key=many.turn)
    rows = {row.id: row for row in await each(tx, many.insert, in_turn)}
    ids = map(many.id, arguments)
    return {
        step.place: writing.Made(one, rows.get(record_id))
        for step, one, record_id in zip(steps, said, ids, strict=True)
    }
