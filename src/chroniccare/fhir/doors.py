"""Records of /api/v1 that are answered as FHIR to who asks for it with `Accept`."""

import re

from chroniccare.fhir.outcome import BASE, MEDIA_TYPE

_TYPES = {"patients": "Patient", "appointments": "Appointment", "medications": "MedicationRequest"}
_READ = re.compile(
    r"/api/v1/(patients|appointments|medications)/"
    r"([0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})",
    re.ASCII,
)
_WANTED = MEDIA_TYPE.encode()


def other(path: str, accept: bytes) -> str | None:
    """Return where the record at `path` is read as FHIR, if `accept` wants that; else None."""
    if _WANTED not in accept.lower():
        return None
    match = _READ.fullmatch(path)
    return f"{BASE}/{_TYPES[match[1]]}/{match[2]}" if match else None
