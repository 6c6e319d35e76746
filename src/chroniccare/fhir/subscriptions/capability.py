"""What /fhir/metadata says of Subscription."""

from chroniccare.fhir.kind import Resource
from chroniccare.fhir.subscriptions import rules
from chroniccare.fhir.subscriptions.api import PARAMETERS

_OPERATIONS = "http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition"


def resource(base: str) -> Resource:
    """Return what the server does with subscriptions, and which topics there are."""
    codes = ("read", "create", "update", "delete", "search-type")
    return {
        "type": "Subscription",
        "extension": [
            {"url": rules.TOPICS_OF_SERVER, "valueCanonical": rules.address(base, code)}
            for code in rules.TOPICS
        ],
        "documentation": "Channel rest-hook; criteria are a topic, or a search of "
        + ", ".join(rules.EVENTS)
        + " by parameters of its own.",
        "interaction": [{"code": code} for code in codes],
        "versioning": "versioned",
        "readHistory": False,
        "updateCreate": False,
        "searchParam": [{"name": name, "type": one} for name, one in PARAMETERS.items()],
        "operation": [
            {"name": "status", "definition": f"{_OPERATIONS}/backport-subscription-status"},
            {"name": "events", "definition": f"{_OPERATIONS}/backport-subscription-events"},
        ],
    }
