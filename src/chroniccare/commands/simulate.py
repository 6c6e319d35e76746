"""`simulate`: the simulated providers in a process of their own, by hand or for the demo."""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from chroniccare.platform.http import Poster
from chroniccare.settings import SettingsError, variable
from chroniccare.simulator.faults import Plan, parse_chances
from chroniccare.simulator.forward import forwarding
from chroniccare.simulator.ledger import Ledger
from chroniccare.simulator.receipts import TOPIC, Receipts, Tell
from chroniccare.simulator.run import Simulator, running
from chroniccare.simulator.topics import NUMBER, REPLIES, Topics

_HOST = "127.0.0.1"
_APP = "arn:aws:sns:us-east-1:123456789012:app"
APPLICATIONS = (
    f"fcm={_APP}/GCM/clinic,apns={_APP}/APNS/clinic,apns_sandbox={_APP}/APNS_SANDBOX/clinic"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; milliseconds, and chances such as `slow=0.1`."""

    port: int
    smtp_port: int
    faults: str
    seed: int
    delay_ms: int
    ledger: Path | None
    api_url: str
    receipts_url: str
    receipts_secret: str


def simulate(wanted: Wanted, say: Callable[[str], None]) -> None:
    """Run until Ctrl-C or SIGTERM; `say` is told how to use what runs.

    Raises:
        SettingsError: the faults cannot be read.
        OSError: a port is taken.
    """
    try:
        chances = parse_chances(wanted.faults)
    except ValueError as error:
        raise SettingsError(f"--faults: {error}") from None
    plan = Plan(chances=chances, seed=wanted.seed, delay_ms=wanted.delay_ms)
    asyncio.run(_run(wanted, plan, say))


async def _run(wanted: Wanted, plan: Plan, say: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    topics = Topics(wanted.api_url) if wanted.api_url else None
    poster = Poster(wanted.receipts_url) if wanted.receipts_url else None
    tell: Tell | None = None if topics is None else topics.tell
    if poster is not None:
        tell = forwarding(poster, wanted.receipts_secret)
    simulator = Simulator(
        plan=plan,
        receipts=Receipts(tell=tell, seed=wanted.seed),
        ledger=Ledger(wanted.ledger),
        topics=topics,
    )
    try:
        async with running(
            simulator, host=_HOST, port=wanted.port, smtp_port=wanted.smtp_port
        ) as made:
            for line in _how_to(made):
                say(line)
            await stop.wait()
    finally:
        if poster is not None:
            await poster.close()
    ledger = simulator.ledger
    say(
        f"{len(ledger.calls)} calls, {len(ledger.reached)} messages reached somebody,"
        f" {ledger.duplicates()} of them more than once, {len(ledger.violations)} requests refused"
    )


def _how_to(simulator: Simulator) -> list[str]:
    """Return what to put into the environment of the worker."""
    values = {
        "sms_driver": "aws",
        "email_driver": "ses",
        "push_driver": "sns",
        "push_applications": APPLICATIONS,
        "aws_region": "us-east-1",
        "aws_endpoint_url": simulator.url,
        "sms_origination": NUMBER,
        "sms_configuration_set": "chroniccare",
        "ses_configuration_set": "chroniccare",
        "http_sms_url": simulator.gateway_url,
        "smtp_url": simulator.smtp_url,
    }
    if simulator.topics is not None:
        values |= {
            "sns_topics": TOPIC,
            "reply_topics": REPLIES,
            "sns_simulator_url": simulator.url,
            "sms_asks": "reply",
        }
    lines = [f"{variable(name)}={value}" for name, value in values.items()]
    # Any will do: the simulator looks at the form of a signature only.
    return [*lines, "AWS_ACCESS_KEY_ID=simulated", "AWS_SECRET_ACCESS_KEY=simulated"]
