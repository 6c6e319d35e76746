"""/fhir, the converter: records of the clinic as FHIR R4 resources, and resources as records.

It stands on nearly every slice, so it starts last.
"""

from chroniccare.fhir import api as fhir
from chroniccare.fhir import capability
from chroniccare.fhir import operations_routes_api as fhir_operations
from chroniccare.fhir import slots_api as fhir_slots
from chroniccare.fhir.exports import api as exports
from chroniccare.fhir.subscriptions import api as subscriptions
from chroniccare.lambdas.api import serving
from chroniccare.smart import token_api

ROUTERS = (
    token_api.public,
    fhir.public,
    fhir_slots.router,
    fhir_operations.router,
    subscriptions.router,
    exports.router,
    fhir.router,
)

HELD = {"smart": token_api.desk}

handler = serving("fhir", ROUTERS, held=HELD, allowed_of_fhir=capability.allowed)
