"""A clinic made through the slices' own actions, for benchmarks."""

from uuid import UUID

from chroniccare.core.caller import Caller, system
from chroniccare.facilities import actions as facilities
from chroniccare.facilities.rules import DAYS
from chroniccare.facilities.schemas import FacilityWrite
from chroniccare.patients import actions as patients
from chroniccare.patients.schemas import PatientWrite
from chroniccare.platform.postgres import begin
from chroniccare.providers import actions as providers
from chroniccare.providers.schemas import ProviderWrite
from chroniccare.scheduling.availability import actions as weeks
from chroniccare.scheduling.availability.schemas import AvailabilityWrite
from chroniccare.tenancy import actions as tenancy
from chroniccare.tenancy.rules import SCOPES

from .stage import PEPPER


async def new_clinic(subdomain: str = "bench") -> tuple[Caller, str]:
    """Create a tenant; return its system caller and a key with every scope."""
    tenant_id = await tenancy.create_tenant(name="Bench", subdomain=subdomain)
    caller = system(tenant_id, job="bench")
    async with begin(caller) as tx:
        key = await tenancy.create_key(tx, pepper=PEPPER, name="bench", scopes=SCOPES)
    return caller, key


async def new_patients(caller: Caller, count: int) -> list[UUID]:
    """Register `count` patients with a phone and an email address each."""
    made = []
    async with begin(caller) as tx:
        for number in range(count):
            body = PatientWrite.model_validate(
                {
                    "mrn": f"B-{number}",
                    "first_name": "Maria",
                    "last_name": f"Gonzalez {number}",
                    "date_of_birth": "1961-04-12",
                    "time_zone": "America/New_York",
                    "icd10_codes": ["E11.9", "I10"],
                    "insurance_info": {"payer": "Acme Health", "member": f"M{number}"},
                    "contact_info": {
                        "telecom": [
                            {"system": "phone", "value": f"+1415555{number % 10000:04d}"},
                            {"system": "email", "value": f"p{number}@example.com", "rank": 2},
                        ]
                    },
                }
            )
            made.append((await patients.create(tx, body)).id)
    return made


async def new_staff(caller: Caller, count: int) -> tuple[UUID, list[UUID]]:
    """Register a facility and `count` providers who work there around the clock."""
    async with begin(caller) as tx:
        place = {
            "name": "Bench",
            "facility_type": "clinic",
            "address": {"city": "Springfield"},
            "timezone": "America/New_York",
            "operating_hours": {day: [{"open": "00:00", "close": "24:00"}] for day in DAYS},
        }
        facility = (await facilities.create(tx, FacilityWrite.model_validate(place))).id
        staff = []
        for number in range(count):
            person = {
                "first_name": "Ada",
                "last_name": f"Provider {number}",
                "identifiers": [{"system": "urn:bench", "value": str(number), "type": "EI"}],
                "facilities": [{"facility_id": str(facility), "is_primary": True}],
                "max_daily_capacity": 500,
            }
            made = await providers.create(tx, ProviderWrite.model_validate(person))
            rules = [
                {
                    "facility_id": str(facility), "day_of_week": day, "start_time": "00:00",
                    "end_time": "24:00", "effective_from": "2026-01-01",
                }
                for day in range(7)
            ]  # fmt: skip
            week = AvailabilityWrite.model_validate({"rules": rules})
            await weeks.set_availability(tx, made, week)
            staff.append(made.id)
    return facility, staff
