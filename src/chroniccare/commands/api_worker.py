"""What each worker process of the API loads; Granian's main process stays small without it."""

from starlette.types import ASGIApp

from chroniccare import app
from chroniccare.commands import lifeline


def application() -> ASGIApp:
    """Return the application, in a process that ends when the server's main process is killed."""
    lifeline.end_with_parent()
    return app.application()
