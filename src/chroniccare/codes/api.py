"""/api/v1/codes: what a code means, as far as the tables here know."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response, Security

from chroniccare.codes import actions, schemas
from chroniccare.codes.rules_forms import RXCUI_PATTERN
from chroniccare.core import wire
from chroniccare.core.caller import Caller
from chroniccare.core.envelope import Data, Listed, errors
from chroniccare.core.paging import DEFAULT_LIMIT
from chroniccare.platform.postgres import begin
from chroniccare.tenancy.api import Cursor, KeyFirst, Limit, answer, authorise, page

router = APIRouter(prefix="/api/v1/codes", tags=["codes"], route_class=KeyFirst)

PatientsRead = Annotated[Caller, Security(authorise, scopes=["patients:read"])]
MedicationsRead = Annotated[Caller, Security(authorise, scopes=["medications:read"])]
Prefix = Annotated[
    str,
    Query(
        pattern=r"^[A-Za-z0-9.]{0,8}$",
        description="How the codes begin, with or without the dot; unless told, all codes.",
    ),
]


@router.get(
    "/icd-10-cm",
    summary="List codes of ICD-10-CM",
    response_model=Listed[schemas.IcdCode],
    responses=errors(),
)
async def list_icd10_codes(
    caller: PatientsRead, prefix: Prefix = "", cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Response:
    """Answer one page, in the order of the codes."""
    found = actions.begin_with(prefix, cursor=cursor, limit=limit)
    return page(caller, found.items, found.next_cursor)


@router.get(
    "/icd-10-cm/{code}",
    summary="Look up a code of ICD-10-CM",
    response_model=Data[schemas.IcdLookup],
    responses=errors(),
)
async def read_icd10_code(
    code: Annotated[str, Path(max_length=20, description="With or without its dot.")],
    caller: PatientsRead,
) -> Response:
    """Answer what the shipped table says; a code that it does not have gets a warning, no error."""
    return answer(caller, wire.dumps(actions.icd10(code)))


@router.get(
    "/rxnorm/{rxcui}",
    summary="Look up an id of RxNorm",
    response_model=Data[schemas.RxNormLookup],
    responses=errors(),
)
async def read_rxnorm_concept(
    rxcui: Annotated[str, Path(pattern=RXCUI_PATTERN, description="Id of the concept.")],
    caller: MedicationsRead,
) -> Response:
    """Answer what the site's own subset says, and what the drug is made of."""
    async with begin(caller) as tx:
        found = await actions.rxnorm(tx, rxcui)
    return answer(caller, wire.dumps(found))
