"""AppointmentResponse: what the patient says of a visit; `fhir.responses` is how it is said."""

from chroniccare.fhir import queries_responses
from chroniccare.fhir.kind import Include, Kind, named
from chroniccare.fhir.kinds.common import every
from chroniccare.fhir.parameters import Reference, Token
from chroniccare.fhir.resources import response

_PATIENT = "a.patient_id {}"
_CODES = {one: (one,) for one in ("accepted", "declined", "tentative", "needs-action")}

RESPONSE = Kind(
    name="AppointmentResponse",
    scope="appointments:read",
    tag="appointments",
    entity="appointment",
    read=queries_responses.RESPONSE,
    source="appointments a",
    id="a.id",
    where="true",
    gone=None,
    parameters=named(
        *every("a.id", "a.updated_at"),
        Reference(name="appointment", targets={"Appointment": "a.id {}"}),
        Reference(name="patient", targets={"Patient": _PATIENT}),
        Reference(name="actor", targets={"Patient": _PATIENT}),
        Token(
            name="part-status",
            match=f"({queries_responses.STATUS}) = {{}}",
            codes=_CODES,
            systems=("http://hl7.org/fhir/participationstatus",),
        ),
    ),
    includes={
        "appointment": (Include("Appointment", lambda row: [row.id]),),
        "patient": (Include("Patient", lambda row: [row.patient_id]),),
        "actor": (Include("Patient", lambda row: [row.patient_id]),),
    },
    order=("_id",),
    to_fhir=response.to_fhir,
    always=frozenset({"appointment", "participantStatus"}),
    summary=frozenset({"actor"}),
)
