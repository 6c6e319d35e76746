"""Options that several commands take; cli.py names them in its signatures."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", help="Where `up` keeps its data.", metavar="DIR", show_default=False
    ),
]
Host = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")]
Port = Annotated[
    int | None, typer.Option(min=1, max=65535, help="Port of the API.", show_default="8000")
]
Workers = Annotated[
    int | None, typer.Option(min=1, max=64, help="API worker processes.", show_default="1")
]
TenantName = Annotated[
    str | None,
    typer.Option("--tenant", help="Subdomain of the tenant; unless there is only one."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Cause = Annotated[str | None, typer.Option(help="Only of this cause, such as timeout.")]
Channel = Annotated[str | None, typer.Option(help="Only on sms, email or push.")]
Since = Annotated[
    str | None, typer.Option(help="Only what failed since, such as 2026-12-01T09:00:00-05:00.")
]
WithStdin = Annotated[bool, typer.Option("--with-stdin", hidden=True)]


def is_text(argument: str) -> bool:
    """Say whether it was UTF-8; Python keeps other bytes as surrogates, which nothing stores."""
    return not any("\ud800" <= character <= "\udfff" for character in argument)
