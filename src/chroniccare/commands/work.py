"""The background loops alone."""

import os

from chroniccare import worker
from chroniccare.commands import lifeline


def work(environment: dict[str, str], *, with_stdin: bool) -> None:
    """Run the loops until SIGTERM or SIGINT; what is under way is finished first."""
    os.environ.update(environment)
    if with_stdin:
        lifeline.end_with_stdin()
    worker.main()
