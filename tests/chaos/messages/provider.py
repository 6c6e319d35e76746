"""The simulated providers as a process of their own, and the postman of their receipts.

Its ledger is the truth of a run. Receipts are posted to the API as a forwarder behind AWS does it,
signed, up to a hundred at once, and again until the API has taken them.
"""

import asyncio
import hmac
import signal
import sys
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from chroniccare.platform.http import HttpError, Poster
from chroniccare.simulator.faults import Plan, parse_chances
from chroniccare.simulator.ledger import Ledger, Service
from chroniccare.simulator.receipts import Receipts
from chroniccare.simulator.run import Simulator, running

_MOST = 100
_AGAIN_S = 0.2
_POSTMEN = 2


@dataclass(slots=True)
class Post:
    """Receipts on their way; `told` are the attempts that any receipt was made for."""

    poster: Poster
    secret: str
    told: set[str] = field(default_factory=set)
    waiting: "asyncio.Queue[dict[str, Any]]" = field(default_factory=asyncio.Queue)
    carrying: int = 0
    again: int = 0

    async def tell(self, service: Service, event: dict[str, Any]) -> None:
        """Take a receipt to be posted."""
        if service == "aws":
            self.told.add(event["context"]["attempt"])
        elif service == "ses":
            self.told.add(event["mail"]["tags"]["attempt"][0])
        self.waiting.put_nowait(event)

    async def carry(self) -> None:
        """Post what waits, for ever."""
        while True:
            events = [await self.waiting.get()]
            while len(events) < _MOST and not self.waiting.empty():
                events.append(self.waiting.get_nowait())
            self.carrying += 1
            await self._until_taken(orjson.dumps({"receipts": [], "events": events}))
            self.carrying -= 1

    async def _until_taken(self, body: bytes) -> None:
        while True:
            at = str(int(time.time()))
            signature = hmac.new(self.secret.encode(), at.encode() + b"." + body, sha256)
            headers = {
                "X-Receipt-Timestamp": at, "X-Receipt-Signature": signature.hexdigest(),
            }  # fmt: skip
            try:
                answer = await self.poster.post(body, headers=headers)
            except HttpError:
                pass
            else:
                if answer.status == 200:
                    return
            self.again += 1
            await asyncio.sleep(_AGAIN_S)

    def is_done(self) -> bool:
        """Say whether everything was taken."""
        return self.waiting.empty() and not self.carrying


async def _main(order: dict[str, Any]) -> None:
    post = Post(Poster(order["receipts_url"]), order["secret"])
    simulator = Simulator(
        plan=Plan(
            chances=parse_chances(order["faults"]), seed=order["seed"],
            delay_ms=order["delay_ms"], slow_ms=order["slow_ms"],
        ),
        receipts=Receipts(tell=post.tell, orders=order["orders"], seed=order["seed"]),
        ledger=Ledger(Path(order["ledger"])),
    )  # fmt: skip
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    postmen = [asyncio.create_task(post.carry()) for _ in range(_POSTMEN)]
    async with running(simulator) as made:
        _say({"url": made.url, "smtp_url": made.smtp_url})
        await stop.wait()
        await made.receipts.finished()
        while not post.is_done():  # noqa: ASYNC110  it ends
            await asyncio.sleep(0.02)
    for postman in postmen:
        postman.cancel()
    await asyncio.wait(postmen)
    await post.poster.close()
    _say(
        {
            "violations": made.ledger.violations, "told": sorted(post.told), "again": post.again,
            "receipts": len(made.receipts.told),
        }
    )  # fmt: skip


def _say(what: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(what) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    asyncio.run(_main(orjson.loads(sys.argv[1])))
