"""Messages: what is sent, what became of it, texts, plans, preferences, replies."""

from chroniccare.lambdas.api import serving
from chroniccare.notifications import api as notifications
from chroniccare.notifications.devices import api as devices
from chroniccare.notifications.doubts import api as doubts
from chroniccare.notifications.inbound import api as inbound
from chroniccare.notifications.mesh import api as mesh
from chroniccare.notifications.plans import api as plans
from chroniccare.notifications.preferences import api as preferences
from chroniccare.notifications.proxies import api as proxies
from chroniccare.notifications.receipts import api as receipts
from chroniccare.notifications.replay import api as replay
from chroniccare.notifications.single import api as single
from chroniccare.notifications.spend import api as spend
from chroniccare.notifications.templates import api as templates
from chroniccare.notifications.unsubscribing import api as unsubscribing
from chroniccare.notifications.why import api as why

ROUTERS = (
    replay.router,
    doubts.router,
    why.router,
    single.router,
    mesh.router,
    notifications.router,
    preferences.router,
    devices.router,
    proxies.router,
    spend.router,
    templates.router,
    plans.router,
    receipts.public,
    inbound.router,
    inbound.public,
    unsubscribing.public,
)

handler = serving("notifications", ROUTERS)
