"""The rules about a whole resource and what it contains: ref-1 and dom-2 to dom-5."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Local:
    """A reference within the resource.

    Attributes:
        target: the id behind the `#`; empty for the resource that contains the one it stands in.
        path: where it stands.
        is_reference: whether it is Reference.reference rather than an address.
    """

    target: str
    path: str
    is_reference: bool


def breaks(
    resource: Mapping[str, Any], path: str, locals_: list[Local]
) -> Iterator[tuple[str, str]]:
    """Yield key and place of each broken rule; the structure is right already."""
    contained = resource.get("contained", [])
    ids = {each.get("id") for each in contained}
    for local in locals_:
        if local.is_reference and local.target and local.target not in ids:
            yield "ref-1", local.path
    targets = {local.target for local in locals_}
    for number, each in enumerate(contained):
        where = f"{path}.contained[{number}]"
        meta = each.get("meta", {})
        if "contained" in each:
            yield "dom-2", f"{where}.contained"
        if "versionId" in meta or "lastUpdated" in meta:
            yield "dom-4", f"{where}.meta"
        if "security" in meta:
            yield "dom-5", f"{where}.meta.security"
        points_out = any(
            not local.target and local.path.startswith(f"{where}.") for local in locals_
        )
        if each.get("id") not in targets and not points_out:
            yield "dom-3", where
