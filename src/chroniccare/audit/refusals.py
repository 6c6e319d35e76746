"""What somebody who is known was refused, because it is not theirs to see or to do."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from chroniccare.audit.reads import read_log
from chroniccare.core.caller import Caller

_FIRST = "patient_id"
_READS = frozenset({"GET", "HEAD"})


async def note_refused(caller: Caller, method: str, path: Mapping[str, Any], tag: str) -> None:
    """Record it durably, before the refusal leaves: `read` or `write`, outcome `refused`.

    Raises:
        Unavailable: it could not be recorded.
    """
    entity_type, entity_id = asked_about(path, tag)
    await read_log().record(
        caller, entity_type=entity_type, seen=[] if entity_id is None else [entity_id],
        action="read" if method in _READS else "write", outcome="refused",
    )  # fmt: skip


def asked_about(path: Mapping[str, Any], tag: str) -> tuple[str, UUID | None]:
    """Return the record that a request is about: the patient, else the first that is named.

    An address without one is about what its `tag` says. An id that is none is not kept: it may say
    anything.
    """
    names = sorted((name for name in path if name.endswith("_id")), key=lambda one: one != _FIRST)
    if not names:
        return tag, None
    try:
        return names[0].removesuffix("_id"), UUID(str(path[names[0]]))
    except ValueError:
        return names[0].removesuffix("_id"), None
