"""Claim: delivery with limits on SMS costs at most 1.1 times the CPU of delivery without.

The same messages in turn, without limits and with some that are far from reached, through the
worker's own code and a driver that takes no time. CPU seconds of this process and of PostgreSQL;
the median of the rounds' ratios.
"""

import asyncio
from statistics import median

from chroniccare.migrations.runner import migrate
from chroniccare.notifications import dispatch
from chroniccare.notifications.channels import choice
from chroniccare.notifications.spend import actions as spend
from chroniccare.notifications.spend.schemas import LimitsWrite
from chroniccare.platform import wiring
from chroniccare.platform.postgres import begin
from chroniccare.settings import load as load_settings

from .clinic import new_clinic, new_patients, new_staff
from .meter import cpu_seconds
from .rate import Clinic
from .stage import Stage, settings_of, stage

MESSAGES = 2_000
ROUNDS = 5
_NONE = LimitsWrite(monthly_segments=None, monthly_amount=None)
_FAR = LimitsWrite(monthly_segments=100_000_000, monthly_amount=None)


async def _limit(clinic: Clinic, body: LimitsWrite) -> None:
    async with begin(clinic.caller) as tx:
        await spend.set_limits(tx, await spend.lock_limits(tx), body)


async def _cost(clinic: Clinic, channels: choice.Channels) -> float:
    """Return the CPU ms of each message of a batch."""
    await clinic.plan(MESSAGES)
    before = cpu_seconds()
    await dispatch.drain(channels)
    after = cpu_seconds()
    spent = sum(after[kind] - before.get(kind, 0.0) for kind in ("here", "PostgreSQL"))
    return 1000 * spent / MESSAGES


async def _measure(where: Stage) -> list[float]:
    await migrate(where.database_url)
    settings = load_settings({**settings_of(where), "CHRONICCARE_SMS_DRIVER": "null"})
    async with wiring.opened(settings) as platform, choice.opened(settings) as channels:
        caller, _ = await new_clinic()
        facility, staff = await new_staff(caller, 1)
        clinic = Clinic(caller, facility, staff[0], await new_patients(caller, 100))
        await _cost(clinic, channels)  # statements are prepared, caches filled
        await platform.database.pool.execute("ANALYZE")
        ratios = []
        for number in range(ROUNDS):
            await _limit(clinic, _NONE)
            without = await _cost(clinic, channels)
            await _limit(clinic, _FAR)
            limited = await _cost(clinic, channels)
            ratios.append(limited / without)
            print(f"round {number + 1}: {without:.2f} ms without limits, {limited:.2f} ms with")
    return ratios


def main() -> None:
    """Run the benchmark."""
    with stage() as where:
        ratio = median(asyncio.run(_measure(where)))
    print(f"with limits {ratio:.2f} times the CPU")
    assert ratio <= 1.1, "limits cost more than a tenth of delivery"


if __name__ == "__main__":
    main()
