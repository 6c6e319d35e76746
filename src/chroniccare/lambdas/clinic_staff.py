"""Who may what: staff, their accounts, keys and programs, and emergencies."""

from chroniccare.lambdas.api import Held
from chroniccare.smart import api as smart_clients
from chroniccare.staff import api as staff
from chroniccare.staff.accounts import api as accounts
from chroniccare.staff.emergency import api as emergency
from chroniccare.staff.keys import api as api_keys

ROUTERS = (
    staff.router,
    accounts.router,
    api_keys.router,
    emergency.router,
    smart_clients.router,
)

HELD: Held = {}
