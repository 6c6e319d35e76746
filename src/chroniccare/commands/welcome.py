"""What `up` says once everything runs: each address, the key and each thing to try on its line."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chroniccare.commands.servers import data_dir
from chroniccare.settings import Settings

_CURL = r"curl -sS -w '\n'"
ADMINISTRATOR = "admin@riverside.example"
"""Who the demo clinic's first administrator is."""
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  not bound here


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to try.

    Attributes:
        key: an API key of the clinic that works now.
        visit: a body for POST /appointments that can be booked now; None when nothing is free.
        password: of the clinic's first administrator, when they were made just now.
    """

    key: str
    visit: dict[str, Any] | None
    password: str | None = None


def address(settings: Settings) -> str:
    """Return the address that a client on this machine reaches the API by."""
    return _ANYWHERE.get(settings.host, settings.host)


def base_url(settings: Settings) -> str:
    """Return the API's address as a URL without a path."""
    host = address(settings)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def lines(settings: Settings, shown: Shown | None, directory: Path) -> list[str]:
    """Return what is printed."""
    base = base_url(settings)
    found = ["", f"API      {base}", f"Docs     {base}/docs"]
    if shown is None:
        where = _option(directory)
        found.append("No clinic yet: start with --demo, or in another terminal")
        found.append(f"chroniccare tenants create clinic 'My Clinic'{where}")
        found.append(f"chroniccare keys create --tenant clinic{where}")
        found.append(f"chroniccare staff add you@clinic.example 'Your Name' --tenant clinic{where}")
    else:
        found += [f"Console  {base}/console", *_sign_in_lines(shown, directory)]
        found += [f"API key  {shown.key}", "Try:", *_curl_lines(base, shown)]
    found.append(f"Messages are kept to look at: chroniccare outbox{_option(directory)}")
    found.append(f"Data and logs are in {directory}; Ctrl-C stops everything.")
    return [*found, ""]


def _sign_in_lines(shown: Shown, directory: Path) -> list[str]:
    if shown.password is None:
        reset = f"chroniccare staff reset-password {ADMINISTRATOR}{_option(directory)}"
        return [f"Sign in  clinic demo, {ADMINISTRATOR}; a forgotten password: {reset}"]
    return [f"Sign in  clinic demo, {ADMINISTRATOR}, password {shown.password} (shown once)"]


def _curl_lines(base: str, shown: Shown) -> list[str]:
    key = shlex.quote(f"X-API-Key: {shown.key}")
    patients = shlex.quote(f"{base}/api/v1/patients?limit=3")
    found = [f"{_CURL} -H {key} {patients}"]
    if shown.visit is not None:
        body = shlex.quote(json.dumps(shown.visit))
        patient = shown.visit["patient_id"]
        found.append(
            f"{_CURL} -H {key} -H 'Content-Type: application/json' -d {body}"
            f" {base}/api/v1/appointments"
        )
        found.append(f"{_CURL} -H {key} {base}/api/v1/patients/{patient}/notifications")
    return found


def _option(directory: Path) -> str:
    return "" if directory == data_dir(None) else f" --data-dir {shlex.quote(str(directory))}"
