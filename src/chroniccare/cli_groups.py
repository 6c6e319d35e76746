"""Groups of commands that cli.py adds to its own: messages that failed, interactions, codes."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from chroniccare.commands.options import AsJson, Cause, Channel, DataDir, Since, TenantName

dlq_app = typer.Typer(help="Messages that reached nobody: why, and sending them after all.")
interactions_app = typer.Typer(help="Sets of drug interactions that a site holds a licence for.")
codes_app = typer.Typer(help="Tables of codes that a site loads.")


@dlq_app.command("list")
def list_failed(
    data_dir: DataDir = None,
    tenant: TenantName = None,
    cause: Cause = None,
    channel: Channel = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Messages shown.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List what reached nobody: by cause, and the latest messages."""
    from chroniccare.commands import dlq, servers, show

    wanted = dlq.filters(cause, channel, since)
    with servers.servers(servers.data_dir(data_dir)) as settings:
        groups, found = servers.work(settings, lambda: dlq.listed(tenant, wanted, limit))
    body = {"groups": groups, "items": found}
    print(show.as_json(body) if as_json else show.failed(groups, found))


@dlq_app.command("show")
def show_failed(
    notification_id: Annotated[UUID, typer.Argument(help="Id of the message.")],
    data_dir: DataDir = None,
    tenant: TenantName = None,
    as_json: AsJson = False,
) -> None:
    """Explain one message step by step; its text and address are not shown."""
    from chroniccare.commands import dlq, servers, show

    with servers.servers(servers.data_dir(data_dir)) as settings:
        found = servers.work(settings, lambda: dlq.shown(tenant, notification_id))
    print(show.as_json(found) if as_json else show.timeline(found))


@dlq_app.command("replay")
def replay_failed(
    notification_id: Annotated[
        UUID | None, typer.Argument(help="Id of the message; else --all.", show_default=False)
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Whatever the filters leave.")] = False,
    data_dir: DataDir = None,
    tenant: TenantName = None,
    cause: Cause = None,
    channel: Channel = None,
    since: Since = None,
    as_json: AsJson = False,
) -> None:
    """Send after all what can still be sent: consent, quiet hours and the visit are looked at."""
    from chroniccare.commands import dlq, servers, show

    wanted = dlq.filters(cause, channel, since)
    if (notification_id is None) != every or (notification_id and any(wanted)):
        raise typer.BadParameter("name one message, or --all with or without filters")
    with servers.servers(servers.data_dir(data_dir)) as settings:
        found = servers.work(settings, lambda: dlq.replay(tenant, notification_id, wanted))
    print(show.as_json(found) if as_json else show.replayed(found))


@interactions_app.command("import")
def import_interactions(
    file: Annotated[Path, typer.Argument(help="CSV or JSON with a, b, severity and text.")],
    name: Annotated[str, typer.Option(help="What the set is called; it replaces its namesake.")],
    version: Annotated[str, typer.Option(help="Version of the set, as its publisher names it.")],
    licensed: Annotated[
        bool,
        typer.Option("--license-acknowledged", help="You hold a licence to use this set here."),
    ] = False,
    data_dir: DataDir = None,
    tenant: TenantName = None,
) -> None:
    """Import a set: every row of FILE, or none and a list of what is wrong."""
    from chroniccare.commands import interactions, servers

    interactions.check(file, name=name, version=version, licensed=licensed)
    with servers.servers(servers.data_dir(data_dir)) as settings:
        found = servers.work(
            settings, lambda: interactions.load(tenant, file, name=name, version=version)
        )
    _finish(found.text, refused=found.refused)


@interactions_app.command("list")
def list_interactions(
    data_dir: DataDir = None, tenant: TenantName = None, as_json: AsJson = False
) -> None:
    """List the sets that checks look into."""
    from chroniccare.commands import interactions, servers, show

    with servers.servers(servers.data_dir(data_dir)) as settings:
        found = servers.work(settings, lambda: interactions.listed(tenant))
    print(show.as_json(found) if as_json else show.interaction_sets(found))


@interactions_app.command("remove")
def remove_interactions(
    name: Annotated[str, typer.Argument(help="Name of the imported set.")],
    data_dir: DataDir = None,
    tenant: TenantName = None,
) -> None:
    """Remove an imported set."""
    from chroniccare.commands import interactions, servers

    with servers.servers(servers.data_dir(data_dir)) as settings:
        servers.work(settings, lambda: interactions.remove(tenant, name))
    print("removed")


@codes_app.command("import-rxnorm")
def import_rxnorm(
    folder: Annotated[Path, typer.Argument(help="With RXNCONSO.RRF and RXNREL.RRF.")],
    release: Annotated[str, typer.Option(help="Its release, such as 2026-11-02.")],
    data_dir: DataDir = None,
    tenant: TenantName = None,
) -> None:
    """Load the site's subset of RxNorm, in place of the one there is."""
    from chroniccare.commands import interactions, servers

    interactions.check_release(folder, release)
    with servers.servers(servers.data_dir(data_dir)) as settings:
        found = servers.work(
            settings, lambda: interactions.load_rxnorm(tenant, folder, release=release)
        )
    _finish(found.text, refused=found.refused)


def _finish(text: str, *, refused: bool) -> None:
    """Print what was loaded; or every row at fault, and end with exit code 1."""
    print(text)
    raise typer.Exit(int(refused))
