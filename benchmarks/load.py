"""A load generator on loopback: keep-alive connections that send and read, and nothing else."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Load:
    """What one run of load saw; `latencies` in seconds."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    @property
    def per_second(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def quantile_ms(self, share: float) -> float:
        """Return the latency below which `share` of the requests stayed, in milliseconds."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def request(method: str, path: str, key: str, body: bytes = b"") -> bytes:
    """Return one HTTP/1.1 request as bytes."""
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\n"
        f"x-request-id: bench-request-1\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def run(
    port: int, make: Callable[[int, int], bytes | None], *, clients: int, seconds: float = 60.0
) -> Load:
    """Send `make(client, number)` until it returns None or the time is over."""
    load = Load()
    until = time.perf_counter() + seconds

    async def client(which: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        number = 0
        while time.perf_counter() < until:
            message = make(which, number)
            if message is None:
                break
            started = time.perf_counter()
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            load.latencies.append(time.perf_counter() - started)
            status = int(head[9:12])
            load.statuses[status] = load.statuses.get(status, 0) + 1
            number += 1
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(which) for which in range(clients)))
    load.seconds = time.perf_counter() - began
    return load
