"""Visits: free times, booking, the steps of a visit, series."""

from chroniccare.lambdas.api import serving
from chroniccare.scheduling import api as appointments
from chroniccare.scheduling import lifecycle_api as lifecycle
from chroniccare.scheduling.series import api as series
from chroniccare.scheduling.slots import api as slots

ROUTERS = (
    slots.router,
    series.router,
    appointments.router,
    lifecycle.router,
)

handler = serving("appointments", ROUTERS)
