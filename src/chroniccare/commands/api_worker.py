"""What each worker process of the API loads; Granian's main process stays small without it."""

import gc

from starlette.types import ASGIApp

# Before the import: what it makes stays, and the collector would walk it some hundred times, a
# quarter of the start.
gc.set_threshold(50_000, 20, 100)

from chroniccare import app  # noqa: E402  see above
from chroniccare.commands import lifeline  # noqa: E402


def application() -> ASGIApp:
    """Return the application, in a process that ends when the server's main process is killed."""
    lifeline.end_with_parent()
    return app.application()
