"""The worklist, webhooks, what goes out, and codes."""

from chroniccare.codes import api as codes
from chroniccare.lambdas.api import Held
from chroniccare.notifications.outbox import api as outbox
from chroniccare.tasks import api as tasks
from chroniccare.webhooks import api as webhooks

ROUTERS = (
    tasks.router,
    codes.router,
    webhooks.router,
    outbox.router,
)

HELD: Held = {}
