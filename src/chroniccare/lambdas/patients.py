"""/api/v1/patients but for what other functions have of a patient.

Erasing and exporting touch every slice: they are the clinic's function's, so that this one starts
quickly.
"""

from chroniccare.lambdas.api import serving
from chroniccare.patients import api as patients

ROUTERS = (patients.router,)

handler = serving("patients", ROUTERS)
