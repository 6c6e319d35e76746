"""`simulate` and `phone` on the command line: providers that only pretend, and who answers them."""

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    port: Annotated[int, typer.Option(min=0, max=65535, help="AWS and gateway; 0: any.")] = 4566,
    smtp_port: Annotated[int, typer.Option(min=0, max=65535, help="SMTP; 0: any.")] = 2525,
    faults: Annotated[
        str, typer.Option(help="Chances of a call, such as slow=0.1,reset_after=0.01.")
    ] = "",
    seed: Annotated[int, typer.Option(help="The same seed makes the same faults.")] = 0,
    delay_ms: Annotated[int, typer.Option(min=0, help="How long each answer takes.")] = 0,
    ledger: Annotated[
        Path | None, typer.Option(help="File that keeps what was called and what arrived.")
    ] = None,
    api_url: Annotated[
        str,
        typer.Option(
            help="API that hears receipts and replies from topics of SNS, such as "
            "http://127.0.0.1:8000."
        ),
    ] = "",
    receipts_url: Annotated[str, typer.Option(help="Where receipts are posted instead.")] = "",
    receipts_secret: Annotated[str, typer.Option(help="Secret that signs them.")] = "",
) -> None:
    """Run providers that only pretend, on loopback: AWS's SMS, email and push, a gateway, SMTP."""
    from chroniccare.commands import simulate as command

    wanted = command.Wanted(
        port, smtp_port, faults, seed, delay_ms, ledger, api_url, receipts_url, receipts_secret
    )
    command.simulate(wanted, typer.echo)


def phone(
    number: Annotated[
        str | None, typer.Argument(help="A patient's; without it: who has messages.")
    ] = None,
    text: Annotated[
        str | None, typer.Argument(help="What the patient answers; without it: what came.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where `simulate` runs.")] = 4566,
    wait: Annotated[float, typer.Option(min=0, max=60, help="Seconds to wait for answers.")] = 8.0,
) -> None:
    """Look at a patient's phone at the simulated provider, and answer from it."""
    from chroniccare.commands import phone as command

    command.phone(number, text, port=port, wait_s=wait, say=typer.echo)
