"""What stands around visits: groups, kinds, places in line, calendars, who is due back."""

from chroniccare.lambdas.api import Held
from chroniccare.scheduling.calendars import api as calendars
from chroniccare.scheduling.catalogue import api as catalogue
from chroniccare.scheduling.groups import api as groups
from chroniccare.scheduling.recall import api as recalls
from chroniccare.scheduling.waitlist import api as waitlist

ROUTERS = (
    groups.router,
    catalogue.router,
    recalls.router,
    waitlist.router,
    calendars.router,
    calendars.public,
)

HELD: Held = {}
