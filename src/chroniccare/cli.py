"""The command line: parse, call, print. Errors are one line on standard error and exit code 2."""

import gc
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from chroniccare import cli_groups
from chroniccare.commands import backing, options, simulating
from chroniccare.commands.options import (
    AsJson,
    DataDir,
    Host,
    Port,
    TenantName,
    WithStdin,
    Workers,
)

# What commands import stays; the collector would walk it again and again, a quarter of the start.
gc.set_threshold(50_000, 20, 100)

app = typer.Typer(
    help="Backend for chronic-care clinics: appointments and the messages around them.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
tenants_app = typer.Typer(help="Clinics that share this installation, each seeing only its own.")
keys_app = typer.Typer(help="API keys of a tenant.")
app.add_typer(tenants_app, name="tenants")
app.add_typer(keys_app, name="keys")
app.add_typer(cli_groups.dlq_app, name="dlq")
app.add_typer(cli_groups.interactions_app, name="interactions")
app.add_typer(cli_groups.codes_app, name="codes")
app.add_typer(cli_groups.encryption_app, name="encryption")
app.add_typer(cli_groups.audit_app, name="audit")
app.add_typer(cli_groups.staff_app, name="staff")


@app.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="With the demo clinic.")] = False,
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
) -> None:
    """Run everything: API, background loops and, where none are set, PostgreSQL and Valkey."""
    from chroniccare.commands import servers
    from chroniccare.commands import up as command

    wanted = command.Wanted(servers.data_dir(data_dir), host, port, workers, demo)
    raise typer.Exit(command.up(wanted, _say))


@app.command()
def serve(
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    with_stdin: WithStdin = False,
) -> None:
    """Run the API alone."""
    from chroniccare.commands import serve as command
    from chroniccare.commands import servers

    settings = servers.needed(servers.data_dir(data_dir))
    settings = servers.given(settings, host=host, port=port, workers=workers)
    # The workers put host and port into the links that they answer.
    environment = servers.environment(settings, host=settings.host, port=settings.port)
    command.serve(settings, environment, with_stdin=with_stdin)


@app.command()
def work(data_dir: DataDir = None, with_stdin: WithStdin = False) -> None:
    """Run the background loops alone: what is due is sent."""
    from chroniccare.commands import servers
    from chroniccare.commands import work as command

    settings = servers.needed(servers.data_dir(data_dir))
    command.work(servers.environment(settings), with_stdin=with_stdin)


@app.command()
def migrate(
    data_dir: DataDir = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only list what waits; exit 1 if anything does.")
    ] = False,
) -> None:
    """Bring the database's schema up to date."""
    import asyncio

    from chroniccare.commands import servers
    from chroniccare.migrations import runner

    with servers.servers(servers.data_dir(data_dir), migrated=False) as settings:
        step = runner.pending if check else runner.migrate
        names = asyncio.run(step(settings.database_url))
    for name in names:
        print(f"{'waits' if check else 'applied'}  {name}")
    if not names:
        print("up to date")
    raise typer.Exit(int(check and bool(names)))


@app.command()
def demo(data_dir: DataDir = None) -> None:
    """Load the demo clinic once, and print a key for it."""
    from chroniccare.commands import demo as command
    from chroniccare.commands import servers
    from chroniccare.demo import actions

    directory = servers.data_dir(data_dir)
    with servers.servers(directory) as settings:
        loaded = servers.work(settings, actions.load)
        key = servers.work(
            settings, lambda: command.kept_key(settings, directory, loaded.tenant_id)
        )
    if loaded.patients or loaded.visits:
        print(
            f"loaded {loaded.facilities} facilities, {loaded.providers} providers,"
            f" {loaded.patients} patients, {loaded.visits} visits"
        )
    else:
        print("the demo clinic is there already")
    print(f"API key  {key}")


@app.command()
def outbox(
    data_dir: DataDir = None,
    tenant: TenantName = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Messages shown.")] = 20,
    as_json: AsJson = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Oldest first, then each as it arrives.")
    ] = False,
) -> None:
    """Show the messages that the local outbox channel keeps, newest first."""
    from chroniccare.commands import outbox as command
    from chroniccare.commands import servers, show

    with servers.servers(servers.data_dir(data_dir)) as settings:
        if follow:
            line = show.as_json if as_json else show.message
            servers.work(settings, lambda: command.follow(tenant, limit, lambda m: _say(line(m))))
            return
        found = servers.work(settings, lambda: command.newest(tenant, limit))
    print(show.as_json(found) if as_json else show.messages(found))


@app.command()
def notify(
    file: Annotated[Path, typer.Argument(help="CSV or JSON list of appointments.")],
    data_dir: DataDir = None,
    tenant: TenantName = None,
    zone: Annotated[
        str | None, typer.Option(help="IANA time zone of times without an offset.", metavar="NAME")
    ] = None,
    region: Annotated[str, typer.Option(help="Country of numbers without a country code.")] = "US",
    as_json: AsJson = False,
) -> None:
    """Send one message for each appointment in FILE: SMS, and email where SMS fails."""
    from chroniccare.commands import notify as command
    from chroniccare.commands import servers, show

    command.check(file, region=region, zone=zone)
    with servers.servers(servers.data_dir(data_dir)) as settings:
        result = servers.work(
            settings, lambda: command.notify(file, settings, tenant, region=region, zone=zone)
        )
    print(show.as_json(result) if as_json else show.batch(result))


@app.command()
def doctor(data_dir: DataDir = None) -> None:
    """Check every setting and connection, and say what to do; exit 1 when something fails."""
    from chroniccare.commands import show
    from chroniccare.commands.doctor import examine

    failed = False
    for finding in examine(data_dir):
        _say(show.finding(finding))
        failed = failed or finding.verdict == "fail"
    raise typer.Exit(int(failed))


app.command()(simulating.simulate)
app.command()(simulating.phone)
app.command()(backing.backup)
app.command()(backing.restore)


@tenants_app.command("list")
def list_tenants(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the tenants."""
    from chroniccare.commands import servers, show
    from chroniccare.tenancy import actions

    with servers.servers(servers.data_dir(data_dir)) as settings:
        found = servers.work(settings, actions.list_tenants)
    print(show.as_json(found) if as_json else show.tenants(found))


@tenants_app.command("create")
def create_tenant(
    subdomain: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens.")],
    name: Annotated[str, typer.Argument(help="Name of the clinic.")],
    data_dir: DataDir = None,
) -> None:
    """Create a tenant."""
    from chroniccare.commands import servers, tenants

    with servers.servers(servers.data_dir(data_dir)) as settings:
        made = servers.work(settings, lambda: tenants.create_tenant(subdomain, name))
    print(made)


@tenants_app.command("erase")
def erase_tenant(
    subdomain: Annotated[str, typer.Argument(help="Subdomain of the tenant.")],
    confirm: Annotated[str, typer.Option(help="The subdomain once more.")],
    reason: Annotated[str, typer.Option(help="Who asked for it and why; the report has it.")],
    data_dir: DataDir = None,
) -> None:
    """Erase a tenant for good: every row, and its keys; of its backups see docs/privacy.md."""
    from chroniccare.commands import servers
    from chroniccare.privacy import tenant_erasing

    if confirm != subdomain:
        raise typer.BadParameter("--confirm must repeat the subdomain: this cannot be undone")
    directory = servers.data_dir(data_dir)
    with servers.servers(directory) as settings:
        told = servers.with_heads(settings, directory)
        done = servers.work(told, lambda: tenant_erasing.erase(told, subdomain, reason=reason))
    rows = done.report["rows"]
    print(f"erased {sum(rows.values())} rows of {len(rows)} tables; report: {done.path}")


@keys_app.command("list")
def list_keys(data_dir: DataDir = None, tenant: TenantName = None, as_json: AsJson = False) -> None:
    """List the API keys of a tenant; secrets are not kept."""
    from chroniccare.commands import servers, show, tenants

    with servers.servers(servers.data_dir(data_dir)) as settings:
        found = servers.work(settings, lambda: tenants.list_keys(tenant))
    print(show.as_json(found) if as_json else show.keys(found))


@keys_app.command("create")
def create_key(
    data_dir: DataDir = None,
    tenant: TenantName = None,
    name: Annotated[str, typer.Option(help="What the key is for.")] = "command line",
    scopes: Annotated[
        str | None, typer.Option(help="Such as patients:read,appointments:write; else all.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(help="90d, 12h, a date or an instant; else never.")
    ] = None,
    environment: Annotated[str, typer.Option("--for", help="live or test.")] = "live",
    networks: Annotated[
        str | None, typer.Option("--from", help="Such as 10.1.0.0/16; else from anywhere.")
    ] = None,
) -> None:
    """Create an API key and print it: the only time it can be read."""
    from chroniccare.commands import servers, tenants

    with servers.servers(servers.data_dir(data_dir)) as settings:
        key = servers.work(
            settings,
            lambda: tenants.create_key(
                settings,
                tenant,
                name=name,
                scopes=scopes,
                environment=environment,
                expires=expires,
                networks=networks,
            ),
        )
    print(key)


@keys_app.command("rotate")
def rotate_key(
    key_id: Annotated[str, typer.Argument(help="Id of the key, or the key itself.")],
    data_dir: DataDir = None,
    tenant: TenantName = None,
    overlap: Annotated[str, typer.Option(help="How long the old key stays valid.")] = "24h",
) -> None:
    """Replace an API key by a new one like it, and print that."""
    from chroniccare.commands import servers, tenants

    with servers.servers(servers.data_dir(data_dir)) as settings:
        key = servers.work(settings, lambda: tenants.rotate_key(settings, tenant, key_id, overlap))
    print(key)


@keys_app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="Id of the key, or the key itself.")],
    data_dir: DataDir = None,
    tenant: TenantName = None,
) -> None:
    """Revoke an API key; it is refused everywhere within a second."""
    from chroniccare.commands import servers, tenants

    with servers.servers(servers.data_dir(data_dir)) as settings:
        servers.work(settings, lambda: tenants.revoke_key(tenant, key_id))
    print("revoked")


def _say(line: str) -> None:
    print(line, flush=True)


def run(arguments: list[str]) -> int:
    """Run one command and return the exit code."""
    if not all(map(options.is_text, arguments)):
        return _mistake("an argument is not text in UTF-8")
    logging.getLogger().setLevel(logging.ERROR)  # `serve` and `work` set the operator's choice
    try:
        code: Any = app(arguments or ["--help"], prog_name="chroniccare", standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        return _mistake(" ".join(error.format_message().split()))
    except typer.Abort:
        return 130
    except BrokenPipeError:
        sys.stdout = None  # nobody reads: nothing more to flush
        return 1
    except Exception as error:
        from chroniccare.commands.mistakes import explained

        line = explained(error)
        if line is None:
            raise  # a fault of ours: the trace is what a report needs
        return _mistake(line)
    return code if isinstance(code, int) else 0


def _mistake(line: str) -> int:
    print(f"chroniccare: {line}", file=sys.stderr)
    return 2


def main() -> None:
    """Run the command line."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
