"""Prescriptions, doses, adherence, fills, allergies, interactions."""

from chroniccare.lambdas.api import serving
from chroniccare.medications import api as medications
from chroniccare.medications.adherence import api as adherence
from chroniccare.medications.allergies import api as allergies
from chroniccare.medications.doses import api as doses
from chroniccare.medications.dosing import api as dosing
from chroniccare.medications.fills import api as fills
from chroniccare.medications.interactions import api as interactions

ROUTERS = (
    doses.router,
    adherence.router,
    fills.router,
    medications.router,
    dosing.router,
    allergies.router,
    interactions.router,
)

handler = serving("medications", ROUTERS)
