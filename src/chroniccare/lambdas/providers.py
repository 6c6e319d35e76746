"""/api/v1/providers and /api/v1/facilities: who works where, and when."""

from chroniccare.facilities import api as facilities
from chroniccare.lambdas.api import serving
from chroniccare.providers import api as providers
from chroniccare.scheduling.availability import api as availability
from chroniccare.scheduling.availability import facilities_api as opening

ROUTERS = (
    providers.router,
    availability.router,
    facilities.router,
    opening.router,
)

handler = serving("providers", ROUTERS)
