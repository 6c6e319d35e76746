"""Sends a file of appointments with a progress bar; the work is `notifications.batch`."""

from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chroniccare.commands import tenants
from chroniccare.notifications import batch
from chroniccare.notifications.batch_file import read
from chroniccare.notifications.channels import choice
from chroniccare.platform import wiring
from chroniccare.settings import Settings


def check(file: Path, *, region: str, zone: str | None) -> None:
    """Make sure that `file` can be read, before anything is started.

    Raises:
        BatchFileError: it cannot.
        Invalid: `zone` is no IANA time zone.
    """
    read(file, region=region, zone=zone)


async def notify(
    file: Path, settings: Settings, subdomain: str | None, *, region: str, zone: str | None
) -> batch.BatchResult:
    """Send one reminder for each row of `file`; the bar goes to standard error.

    Raises:
        BatchFileError: the file as a whole cannot be read.
        NotFound: no such tenant.
    """
    tenant = await tenants.choose(subdomain)
    columns = (
        TextColumn("sending"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("sending", total=None)
        async with choice.opened(settings) as channels:
            wiring.keep_what_stands()
            return await batch.notify(
                file, tenant_id=tenant.id, channels=channels, region=region, zone=zone,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )  # fmt: skip
