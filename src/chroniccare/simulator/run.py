"""The simulated providers as a whole: two ports on loopback, one truth."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from chroniccare.simulator.account import Account
from chroniccare.simulator.faults import Plan
from chroniccare.simulator.ledger import Ledger
from chroniccare.simulator.receipts import Receipts
from chroniccare.simulator.server import listening, speaking_http
from chroniccare.simulator.services import GATEWAY, Services
from chroniccare.simulator.smtp import speaking_smtp
from chroniccare.simulator.stack import Stack
from chroniccare.simulator.topics import Topics


@dataclass(slots=True)
class Simulator:
    """Providers that run; `plan`, `receipts` and `account` may be changed while they do.

    Attributes:
        url: what `aws_endpoint_url` is set to.
        smtp_url: what `smtp_url` is set to.
    """

    plan: Plan = field(default_factory=Plan)
    receipts: Receipts = field(default_factory=Receipts)
    ledger: Ledger = field(default_factory=Ledger)
    account: Account = field(default_factory=Account)
    secret: str = ""
    topics: Topics | None = None
    stack: Stack | None = None
    url: str = ""
    smtp_url: str = ""

    @property
    def gateway_url(self) -> str:
        """What `http_sms_url` is set to."""
        return self.url + GATEWAY


@asynccontextmanager
async def running(
    simulator: Simulator, *, host: str = "127.0.0.1", port: int = 0, smtp_port: int = 0
) -> AsyncIterator[Simulator]:
    """Run the providers; ports of 0 are any free ones.

    Raises:
        OSError: a port is taken.
    """
    services = Services(
        simulator.plan,
        simulator.receipts,
        simulator.ledger,
        simulator.account,
        simulator.secret,
        simulator.topics,
        simulator.stack,
    )
    try:
        async with (
            listening(speaking_http(services.handle), host=host, port=port) as http,
            listening(speaking_smtp(services), host=host, port=smtp_port) as smtp,
        ):
            simulator.url = f"http://{host}:{http}"
            if simulator.topics is not None:
                simulator.topics.url = simulator.url
            simulator.smtp_url = f"smtp://{host}:{smtp}"
            yield simulator
            await simulator.receipts.close()
    finally:
        if simulator.topics is not None:
            await simulator.topics.close()
        simulator.ledger.close()
