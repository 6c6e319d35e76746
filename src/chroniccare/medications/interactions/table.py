"""The built-in table of interactions: data/onc.json, read once, at the first use."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from chroniccare.medications.interactions.rules import DrugClass, Pair, Table

SHA256 = "a00658e5a324a935949a786ccd8e13a4772e1d29dcf85e365d15c63774a9ad48"
"""Of the file: results name a version, so its content must not change without one."""


@cache
def table() -> Table:
    """Return the table.

    Raises:
        ValueError: the file is not the one that this release was tested with.
    """
    raw = files("chroniccare.medications.interactions").joinpath("data/onc.json").read_bytes()
    digest = hashlib.sha256(raw).hexdigest()
    if digest != SHA256:
        raise ValueError("interactions/data/onc.json was changed without its checksum in table.py")
    document = orjson.loads(raw)
    rxcuis: dict[str, str | None] = document["ingredients"]
    classes = {
        key: DrugClass(key, one["name"], frozenset(one["members"]))
        for key, one in document["classes"].items()
    }
    return Table(
        name=document["name"],
        version=document["version"],
        sha256=digest,
        rxcuis=rxcuis,
        names={code: name for name, code in rxcuis.items() if code},
        classes=classes,
        pairs=tuple(_pair(one, classes) for one in document["pairs"]),
    )


def _pair(one: dict[str, Any], classes: dict[str, DrugClass]) -> Pair:
    a, b = (frozenset().union(*(classes[key].members for key in one[side])) for side in "ab")
    return Pair(one["id"], a, b, one["text"], one["citation"])
