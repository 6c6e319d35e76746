"""The clinic that is fought for: few people, few rooms, many who want them at the same time."""

import random
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson

from chroniccare.core.caller import system
from chroniccare.facilities.rules import DAYS
from chroniccare.platform import wiring
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import begin
from chroniccare.providers.rules import npi_check_digit
from chroniccare.settings import load
from chroniccare.tenancy import actions as tenancy
from chroniccare.tenancy.rules import SCOPES
from tests.chaos.servers import Servers

PROVIDERS, PATIENTS, ROOMS = 4, 12, 2
DAILY_MAXIMUM = 4
"""Of the first provider; the part-timer sees one patient a day. Locks alone keep these."""
BEATS = 4
"""Times a second at which all clients turn to another hour of another provider."""
OFFSETS = (0, 5, 10, 15, 20)
"""Minutes past the hour at which rivals start, so that no two visits need have the same start."""
LENGTHS = (20, 30, 45, 60)
TYPES = ("talk", "infusion", "procedure")
_LED = timedelta(hours=4)
_FAR_DAYS = 400
_ZONE = "America/New_York"

# Time passes: the visits of today began half an hour ago, as no client could have booked them.
_TODAY = (
    "WITH moved AS (UPDATE appointments SET scheduled_start = scheduled_start - $2::interval,"
    " scheduled_end = scheduled_end - $2::interval WHERE id = ANY($1::uuid[]) RETURNING id)"
    " UPDATE occupancy SET starts_at = starts_at - $2, ends_at = ends_at - $2"
    " WHERE appointment_id IN (SELECT id FROM moved)"
)


@dataclass(frozen=True, slots=True)
class World:
    """What a client knows.

    Attributes:
        run: the beginning of every key of this run.
        first: the first of `days` days on which visits are booked, an instant at 09:00.
        soon: an instant today, after which visits are squeezed in.
        today: visits that have begun.
        part_timer: a provider who has one visit a day.
        tasks: connections of each client.
        stop: the file whose coming ends the run.
    """

    port: int
    key: str
    tenant: str
    run: str
    facility: str
    providers: list[str]
    part_timer: str
    patients: list[str]
    rooms: list[str]
    pumps: list[str]
    today: list[str]
    first: str
    soon: str
    days: int
    tasks: int
    folder: str
    stop: str

    def write(self) -> Path:
        """Write it where clients find it."""
        path = Path(self.folder) / "world.json"
        path.write_bytes(orjson.dumps(asdict(self)))
        return path

    def journal(self, client: int) -> Path:
        """Return the place of one client's journal."""
        return Path(self.folder) / f"client-{client}.jsonl"

    def hot(self, at: float) -> tuple[str, datetime]:
        """Return the provider and the hour that everybody wants at this moment."""
        dice = random.Random(f"{self.run}-{int(at * BEATS)}")  # noqa: S311  the same for everybody
        return dice.choice(self.providers), self.hour(dice)

    @property
    def zone(self) -> str:
        """The time zone of the facility."""
        return _ZONE

    @property
    def from_(self) -> str:
        """The first day, as a filter of lists."""
        return f"{datetime.fromisoformat(self.first):%Y-%m-%dT%H:%M:%SZ}"

    def day(self, at: float) -> datetime:
        """Return the day on which everybody wants the part-timer at this moment, 14:00 in UTC."""
        beat = int(at * BEATS) % _FAR_DAYS
        return datetime.fromisoformat(self.first) + timedelta(days=self.days + beat)

    def hour(self, dice: random.Random) -> datetime:
        """Return some hour of some day."""
        first = datetime.fromisoformat(self.first)
        return first + timedelta(days=dice.randrange(self.days), hours=dice.randrange(9))


def read(path: Path) -> World:
    """Return what `write` wrote."""
    return World(**orjson.loads(path.read_bytes()))


async def build(servers: Servers, folder: Path, *, days: int, tasks: int) -> World:
    """Found a clinic through the API, and have a visit of each provider under way."""
    async with wiring.opened(load(servers.settings)):
        tenant_id = await tenancy.create_tenant(name="Chaos", subdomain="chaos")
        async with begin(system(tenant_id, job="chaos")) as tx:
            key = await tenancy.create_key(
                tx, pepper=servers.pepper, name="chaos", scopes=frozenset(SCOPES)
            )
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    with httpx.Client(
        base_url=f"http://127.0.0.1:{servers.port}/api/v1", headers={"X-API-Key": key}, timeout=30
    ) as http:
        facility = make(http, "/facilities", facility_body())
        maxima = [DAILY_MAXIMUM, *[200] * (PROVIDERS - 1), 1]
        *providers, part_timer = [
            add_provider(http, facility, number, maximum) for number, maximum in enumerate(maxima)
        ]
        patients = [make(http, "/patients", patient_body(number)) for number in range(PATIENTS)]
        rooms = [make(http, "/resources", _room(facility, n)) for n in range(ROOMS)]
        pumps = [make(http, "/resources", _pumps(facility))]
        for kind in _types():
            make(http, "/visit-types", kind)
        tomorrow = now + timedelta(days=1)
        today = [
            make(http, "/appointments", _visit(facility, provider, patient, tomorrow))
            for provider, patient in zip(providers, patients, strict=False)
        ]
    ids = [UUID(one) for one in today]
    async with owner_connection(servers.database_url) as owner:
        await owner.execute(_TODAY, ids, timedelta(days=1, minutes=30))
    first = (now + timedelta(days=9)).replace(hour=14, minute=0)
    return World(
        servers.port, key, str(tenant_id), secrets.token_hex(4), facility, providers, part_timer,
        patients,
        rooms, pumps, today, first.isoformat(), (now + timedelta(minutes=5)).isoformat(), days,
        tasks, str(folder), str(folder / "stop"),
    )  # fmt: skip


def make(http: httpx.Client, path: str, body: dict[str, Any]) -> str:
    """Make a record; return its id."""
    response = http.post(path, json=body)
    assert response.status_code == 201, response.text
    return str(response.json()["data"]["id"])


def facility_body() -> dict[str, Any]:
    """Return a facility that is always open."""
    return {
        "name": "Chaos Clinic", "facility_type": "clinic", "address": {"city": "Springfield"},
        "timezone": _ZONE,
        "operating_hours": {day: [{"open": "00:00", "close": "24:00"}] for day in DAYS},
    }  # fmt: skip


def add_provider(http: httpx.Client, facility: str, number: int, maximum: int) -> str:
    """Make a provider who always works, and has at most so many visits a day; return the id."""
    nine = f"1{number:08d}"
    made = make(
        http,
        "/providers",
        {
            "npi": nine + npi_check_digit(nine), "first_name": "Aisha", "last_name": "Rahman",
            "facilities": [{"facility_id": facility, "is_primary": True}],
            "max_daily_capacity": maximum,
        },
    )  # fmt: skip
    rules = [
        {
            "facility_id": facility, "day_of_week": day, "start_time": "00:00",
            "end_time": "24:00", "slot_duration": 15, "effective_from": "2026-01-01",
        }
        for day in range(7)
    ]  # fmt: skip
    response = http.put(f"/providers/{made}/availability", json={"rules": rules})
    assert response.status_code == 200, response.text
    return made


def patient_body(number: int) -> dict[str, Any]:
    """Return a patient with a record number and a telephone of their own."""
    return {
        "mrn": f"C-{number}", "first_name": "Maria", "last_name": f"Gonzalez {number}",
        "date_of_birth": "1961-04-12", "time_zone": "America/New_York",
        "contact_info": {"telecom": [{"system": "phone", "value": f"+1415555{number:04d}"}]},
    }  # fmt: skip


def _room(facility: str, number: int) -> dict[str, Any]:
    return {
        "kind": "room", "facility_id": facility, "name": f"Room {number}", "category": "treatment",
        "capacity": 1,
    }  # fmt: skip


def _pumps(facility: str) -> dict[str, Any]:
    return {
        "kind": "equipment", "facility_id": facility, "name": "Pumps", "category": "pump",
        "capacity": 3,
    }  # fmt: skip


def _types() -> list[dict[str, Any]]:
    """Return two types of visit; a third, `talk`, is nowhere described and needs nothing."""
    room = {"kind": "room", "category": "treatment", "count": 1}
    pump = {"kind": "equipment", "category": "pump", "count": 1}
    return [
        {
            "code": "infusion", "name": "Infusion", "duration_minutes": 45,
            "buffer_before_minutes": 10, "buffer_after_minutes": 5, "requirements": [room, pump],
        },
        {
            "code": "procedure", "name": "Procedure", "duration_minutes": 30,
            "buffer_after_minutes": 15, "requirements": [room],
        },
    ]  # fmt: skip


def _visit(facility: str, provider: str, patient: str, start: datetime) -> dict[str, Any]:
    return {
        "patient_id": patient, "provider_id": provider, "facility_id": facility,
        "appointment_type": "talk", "scheduled_start": start.isoformat(),
        "duration_minutes": int(_LED.total_seconds()) // 60,
    }  # fmt: skip
