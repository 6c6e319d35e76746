"""Pages behind the links of messages: visits, offers of the waitlist, doses."""

from chroniccare.medications.reminders import link_api as dose_links
from chroniccare.notifications import birth_date
from chroniccare.scheduling import link_api as visit_links
from chroniccare.scheduling.waitlist import link_api as waitlist_links

ROUTERS = (
    waitlist_links.public,
    visit_links.public,
    dose_links.public,
)

HELD = {"doorkeeper": birth_date.doorkeeper}
