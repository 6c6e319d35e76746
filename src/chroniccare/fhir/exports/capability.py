"""What /fhir/metadata says of exports, where there are any."""

from chroniccare.fhir.kind import Resource

_IG = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition"
_OWN = {"Patient": "patient-export", "Group": "group-export"}
"""Types with an export of their own."""
_STATEMENT = "http://hl7.org/fhir/uv/bulkdata/CapabilityStatement/bulk-data"


def conformance(*, are_there: bool) -> Resource:
    """Return which published statement the server keeps, too."""
    return {"instantiates": [_STATEMENT]} if are_there else {}


def system(*, are_there: bool) -> Resource:
    """Return the members that the server as a whole has for exports."""
    if not are_there:
        return {}
    return {"operation": [{"name": "export", "definition": f"{_IG}/export"}]}


def of(resource: Resource, *, are_there: bool) -> Resource:
    """Return what is said of a type, with its own export if it has one."""
    if not are_there or resource["type"] not in _OWN:
        return resource
    one = {"name": "export", "definition": f"{_IG}/{_OWN[resource['type']]}"}
    return {**resource, "operation": [*resource.get("operation", []), one]}
