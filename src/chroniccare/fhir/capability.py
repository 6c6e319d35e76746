"""/fhir/metadata: made of the registry, so that it says what there is and nothing else."""

from typing import Any

from chroniccare import __version__
from chroniccare.core.wire import dumps
from chroniccare.fhir.asking import MOST
from chroniccare.fhir.kind import Kind
from chroniccare.fhir.kinds.slots import SLOT
from chroniccare.fhir.operations import completed
from chroniccare.fhir.registry import KINDS

_DATE = "2026-11-30"
"""Of the last change of what the statement says, by hand: FHIR asks for one."""


def statement(base: str) -> bytes:
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
            "format": ["application/fhir+json", "json"],
            "rest": [
                {
                    "mode": "server",
                    "documentation": f"Pages hold {MOST} matches at most. Paging is by the links of"
                    " each page.",
                    "security": {"cors": False, "description": "An API key, or a Bearer token."},
                    "interaction": [{"code": "transaction"}, {"code": "batch"}],
                    "resource": [resource(kind) for kind in (*KINDS.values(), SLOT)],
                }
            ],
        }
    )


def _interactions(kind: Kind) -> list[str]:
    writes = ["create", "update"] if kind.writer else []
    if kind.writer and kind.writer.delete:
        writes.append("delete")
    return ["read", *writes, "search-type"]


def resource(kind: Kind) -> dict[str, Any]:
    """Return what the server does with one type."""
    found: dict[str, Any] = {
        "type": kind.name,
        "interaction": [{"code": code} for code in _interactions(kind)],
        "versioning": "versioned",
        "readHistory": False,
        "updateCreate": False,
        "conditionalCreate": kind.writer is not None,
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
