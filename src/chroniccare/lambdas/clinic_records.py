"""The audit, privacy, and what devices read: they stand on every slice."""

from chroniccare.audit import api as audit
from chroniccare.fhir.readings import api as readings
from chroniccare.lambdas.api import Held
from chroniccare.privacy import api as privacy

ROUTERS = (
    readings.router,
    audit.router,
    privacy.router,
)

HELD: Held = {}
