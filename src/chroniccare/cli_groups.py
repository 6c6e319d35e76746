"""Groups of commands that cli.py adds to its own: failed messages, interactions, codes, keys."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from chroniccare.commands.options import AsJson, Cause, Channel, DataDir, Since, TenantName

dlq_app = typer.Typer(help="Messages that reached nobody: why, and sending them after all.")
interactions_app = typer.Typer(help="Sets of drug interactions that a site holds a licence for.")
codes_app = typer.Typer(help="Tables of codes that a site loads.")
encryption_app = typer.Typer(help="Keys that single fields of patients are encrypted with.")
audit_app = typer.Typer(help="The audit: who did and saw what.")
staff_app = typer.Typer(help="People who sign in to the console with a password.")


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


@encryption_app.command("status")
def encryption_status(
    data_dir: DataDir = None, tenant: TenantName = None, as_json: AsJson = False
) -> None:
    """Show the keys of a tenant: which seal, which only open, which are destroyed."""
    from chroniccare.commands import encryption, servers, show

    with servers.servers(servers.data_dir(data_dir)) as settings:
        found = servers.work(settings, lambda: encryption.status(tenant))
    print(show.as_json(found) if as_json else show.tenant_keys(found))


@encryption_app.command("rotate")
def rotate_tenant_keys(data_dir: DataDir = None, tenant: TenantName = None) -> None:
    """Have a new key seal from now on; the worker seals older rows anew, then destroys the old."""
    from chroniccare.commands import encryption, servers

    with servers.servers(servers.data_dir(data_dir)) as settings:
        version = servers.work(settings, lambda: encryption.rotate(tenant))
    print(f"version {version} seals from now on")


@encryption_app.command("shred")
def shred_tenant(
    tenant: Annotated[str, typer.Option(help="Subdomain of the tenant.")],
    confirm: Annotated[str, typer.Option(help="The subdomain once more.")],
    data_dir: DataDir = None,
) -> None:
    """Destroy the keys of a tenant and close it: nobody reads its encrypted fields again."""
    from chroniccare.commands import encryption, servers

    if confirm != tenant:
        raise typer.BadParameter("--confirm must repeat the subdomain: this cannot be undone")
    with servers.servers(servers.data_dir(data_dir)) as settings:
        count = servers.work(settings, lambda: encryption.shred(tenant))
    print(f"destroyed {count} keys; backups: see docs/operations.md")


@encryption_app.command("new-master")
def new_master(data_dir: DataDir = None) -> None:
    """Add a master key to the file; processes that start from now on wrap with it."""
    import asyncio

    from chroniccare.commands import encryption, servers
    from chroniccare.settings import load

    settings = servers.with_master_file(load(), servers.data_dir(data_dir))
    name = asyncio.run(encryption.new_master(settings))
    print(f"added {name} to {settings.master_key_file}: restart every process, then `rewrap`")


@encryption_app.command()
def rewrap(data_dir: DataDir = None) -> None:
    """Wrap the keys of every tenant under the last master key."""
    from chroniccare.commands import encryption, servers

    with servers.servers(servers.data_dir(data_dir)) as settings:
        count = servers.work(settings, encryption.rewrap)
    print(f"wrapped {count} keys anew")


@encryption_app.command("store")
def store_tenant_keys(data_dir: DataDir = None) -> None:
    """Have every tenant's keys need the store outside of the database, and so its backups."""
    from chroniccare.commands import encryption, servers

    with servers.servers(servers.data_dir(data_dir)) as settings:
        done = servers.work(settings, lambda: encryption.store(settings))
    print(f"put {done.keys} keys into the store; all of {done.tenants} tenants are there")


@encryption_app.command("drop-masters")
def drop_masters(data_dir: DataDir = None) -> None:
    """Remove every master key but the last from the file, once no tenant's key is under another."""
    from chroniccare.commands import encryption, servers

    with servers.servers(servers.data_dir(data_dir)) as settings:
        gone = servers.work(settings, lambda: encryption.drop_masters(settings))
    print(f"removed {', '.join(gone)}" if gone else "there is only one")


@audit_app.command("verify")
def verify_audit(
    data_dir: DataDir = None,
    tenant: Annotated[str | None, typer.Option(help="Subdomain; else every tenant.")] = None,
    heads: Annotated[
        Path | None, typer.Option(help="File of signed heads; else the settings' own.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Public key of the heads; else `head.pub` beside them.")
    ] = None,
) -> None:
    """Find and locate whatever was changed, removed or slipped in; exit code 1 if anything was."""
    from chroniccare.commands import audit, servers

    directory = servers.data_dir(data_dir)
    with servers.servers(directory) as settings:
        told = audit.told(servers.with_heads(settings, directory), heads, key)
        found = servers.work(settings, lambda: audit.verified(tenant, told))
    _finish("\n".join(found.lines), refused=not found.ok)


def _finish(text: str, *, refused: bool) -> None:
    """Print what was loaded; or every row at fault, and end with exit code 1."""
    print(text)
    raise typer.Exit(int(refused))


@audit_app.command("prune")
def prune_audit(
    data_dir: DataDir = None,
    tenant: Annotated[str | None, typer.Option(help="Subdomain; else every tenant.")] = None,
) -> None:
    """Remove what has been kept for CHRONICCARE_RETAIN_AUDIT_YEARS; a signed anchor stays."""
    from chroniccare.commands import audit, servers

    directory = servers.data_dir(data_dir)
    with servers.servers(directory) as settings:
        told = servers.with_heads(settings, directory)
        lines = servers.work(told, lambda: audit.prune(told, tenant))
    print("\n".join(lines))


@staff_app.command("add")
def add_staff(
    email: Annotated[str, typer.Argument(help="They sign in with it.")],
    name: Annotated[str, typer.Argument(help="What others call them.")],
    role: Annotated[
        str, typer.Option(help="administrator, clinician, front_desk or auditor.")
    ] = "administrator",
    data_dir: DataDir = None,
    tenant: TenantName = None,
) -> None:
    """Add somebody and print a password for them, which they must change within three days."""
    from chroniccare.commands import servers, staff

    with servers.servers(servers.data_dir(data_dir)) as settings:
        password = servers.work(
            settings, lambda: staff.add(tenant, email=email, name=name, role=role)
        )
    print(password)


@staff_app.command("reset-password")
def reset_password(
    email: Annotated[str, typer.Argument(help="Of whom.")],
    factor_too: Annotated[
        bool, typer.Option("--second-factor", help="Remove their second factor as well.")
    ] = False,
    data_dir: DataDir = None,
    tenant: TenantName = None,
) -> None:
    """Sign somebody out everywhere and print another password, good for three days."""
    from chroniccare.commands import servers, staff

    with servers.servers(servers.data_dir(data_dir)) as settings:
        password = servers.work(
            settings, lambda: staff.reset_password(tenant, email, factor_too=factor_too)
        )
    print(password)
