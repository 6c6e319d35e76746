"""/fhir/metadata: made of the registry, so that it says what there is and nothing else."""

from typing import Any

from chroniccare import __version__
from chroniccare.core.wire import dumps
from chroniccare.fhir.asking import MOST
from chroniccare.fhir.exports import capability as exporting
from chroniccare.fhir.kind import Kind, is_told_by_version
from chroniccare.fhir.kinds.slots import SLOT
from chroniccare.fhir.operations import completed
from chroniccare.fhir.registry import KINDS
from chroniccare.fhir.subscriptions import capability as subscriptions

_DATE = "2026-11-30"
"""Of the last change of what the statement says, by hand: FHIR asks for one."""


def statement(base: str, *, exports: bool = False) -> bytes:
    """Return the CapabilityStatement of the server at `base`."""
    return dumps(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": _DATE,
            "kind": "instance",
            "software": {"name": "Chronic Care", "version": __version__},
            "implementation": {"description": "A clinic's records", "url": base},
            "fhirVersion": "4.0.1",
            **exporting.conformance(are_there=exports),
            "format": ["application/fhir+json", "json"],
            "patchFormat": ["application/json-patch+json", "application/fhir+json"],
            "rest": [
                {
                    "mode": "server",
                    "documentation": f"Pages hold {MOST} matches at most. Paging is by the links of"
                    " each page.",
                    "security": {"cors": False, "description": "An API key, or a Bearer token."},
                    "interaction": [
                        {"code": "transaction"},
                        {"code": "batch"},
                        {"code": "history-system"},
                    ],
                    **exporting.system(are_there=exports),
                    "resource": [
                        *(
                            exporting.of(completed(resource(kind)), are_there=exports)
                            for kind in (*KINDS.values(), SLOT)
                        ),
                        completed(subscriptions.resource(base)),
                    ],
                }
            ],
        }
    )


APART = frozenset({"Slot", "Subscription"})
"""Types that have routes of their own."""
_APART = {
    ("Slot", 0): "GET, HEAD, POST",
    ("Slot", 1): "GET, HEAD, PUT",
    ("Subscription", 0): "GET, HEAD, POST",
    ("Subscription", 1): "DELETE, GET, HEAD, PUT",
}
"""Methods of theirs, of all and of one."""


def allowed(path: str) -> str | None:
    """Return the methods that a type takes at the path behind /fhir; None: it is of no type."""
    name, *rest = path.strip("/").split("/")
    if not rest and name in {"metadata", "_history"}:
        return "GET, HEAD"
    kind = KINDS.get(name)
    if "$" in path:  # an operation, which has a route of its own
        return None
    if rest == ["_search"] and (kind or name in APART):
        return "POST"
    if "_history" in rest and (kind or name in APART):
        return "GET, HEAD" if kind and kind.versions else ""
    if kind is None or len(rest) > 1:
        return _APART.get((name, len(rest)))
    found = ["GET", "HEAD"]
    if kind.writer:
        found += [] if rest else ["POST"]
        found += ["PATCH", "PUT"] if kind.writer.update else []
        found += ["DELETE"] if kind.writer.delete else []
    return ", ".join(sorted(found))


def _interactions(kind: Kind) -> list[str]:
    writes = ["create"] if kind.writer else []
    if kind.writer and kind.writer.update:
        writes += ["update", "patch"]
    if kind.writer and kind.writer.delete:
        writes.append("delete")
    kept = ["vread", "history-instance", "history-type"] if kind.versions else []
    return ["read", *kept, *writes, "search-type"]


def resource(kind: Kind) -> dict[str, Any]:
    """Return what the server does with one type."""
    found: dict[str, Any] = {
        "type": kind.name,
        "interaction": [{"code": code} for code in _interactions(kind)],
        "versioning": "versioned",
        "readHistory": kind.versions is not None,
        "updateCreate": False,
        "conditionalCreate": kind.writer is not None,
        "conditionalRead": "full-support" if is_told_by_version(kind) else "not-supported",
        "conditionalUpdate": bool(kind.writer and kind.writer.update),
        "conditionalDelete": "single" if kind.writer and kind.writer.delete else "not-supported",
        "searchParam": [{"name": one.name, "type": one.type} for one in kind.parameters.values()],
    }
    if kind.includes:
        found["searchInclude"] = [f"{kind.name}:{name}" for name in kind.includes]
    reverse = [
        f"{other.name}:{parameter.name}"
        for other in KINDS.values()
        for parameter in other.parameters.values()
        if kind.name in getattr(parameter, "targets", {})
    ]
    if reverse:
        found["searchRevInclude"] = reverse
    return completed(found)
