"""All that the other functions do not have: much code, and seldom asked."""

from chroniccare.audit import api as audit
from chroniccare.codes import api as codes
from chroniccare.fhir.readings import api as readings
from chroniccare.lambdas.api import serving
from chroniccare.medications.reminders import link_api as dose_links
from chroniccare.notifications import birth_date
from chroniccare.notifications.outbox import api as outbox
from chroniccare.privacy import api as privacy
from chroniccare.scheduling import link_api as visit_links
from chroniccare.scheduling.calendars import api as calendars
from chroniccare.scheduling.catalogue import api as catalogue
from chroniccare.scheduling.groups import api as groups
from chroniccare.scheduling.recall import api as recalls
from chroniccare.scheduling.waitlist import api as waitlist
from chroniccare.scheduling.waitlist import link_api as waitlist_links
from chroniccare.smart import api as smart_clients
from chroniccare.staff import api as staff
from chroniccare.staff.accounts import api as accounts
from chroniccare.staff.emergency import api as emergency
from chroniccare.staff.keys import api as api_keys
from chroniccare.tasks import api as tasks
from chroniccare.webhooks import api as webhooks

ROUTERS = (
    groups.router,
    catalogue.router,
    recalls.router,
    waitlist.router,
    calendars.router,
    calendars.public,
    waitlist_links.public,
    visit_links.public,
    dose_links.public,
    tasks.router,
    codes.router,
    webhooks.router,
    staff.router,
    accounts.router,
    api_keys.router,
    readings.router,
    outbox.router,
    emergency.router,
    smart_clients.router,
    audit.router,
    privacy.router,
)

HELD = {"doorkeeper": birth_date.doorkeeper}  # of the pages of visits and doses

handler = serving("clinic", ROUTERS, held=HELD)
