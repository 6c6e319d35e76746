"""Every SQL constant against the migrated schema: it parses, somebody may run it, and it fits."""

import datetime as dt
import importlib
import pkgutil
import re
import types
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import asyncpg
import pytest

import chroniccare
from chroniccare.platform.owner import owner_connection
from chroniccare.platform.postgres import APP_ROLE, SYSTEM_ROLE, Command, Query

# What asyncpg returns for each type; a tuple where more than one annotation is honest.
PYTHON: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "bytea": (bytes,),
    "date": (dt.date,),
    "float8": (float,),
    "int2": (int,),
    "int4": (int,),
    "int8": (int,),
    "interval": (dt.timedelta,),
    "jsonb": (dict, list),
    "numeric": (Decimal,),
    "text": (str,),
    "time": (dt.time,),
    "timestamptz": (dt.datetime,),
    "uuid": (UUID,),
    "varchar": (str,),
}


@dataclass(frozen=True, slots=True)
class Constant:
    """One statement and where it stands."""

    name: str
    statement: Query[Any] | Command


def constants() -> Iterator[Constant]:
    """Yield every Query and Command of the package, each once."""
    seen: set[int] = set()
    for info in pkgutil.walk_packages(chroniccare.__path__, "chroniccare."):
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if isinstance(value, Query | Command) and id(value) not in seen:
                seen.add(id(value))
                yield Constant(f"{info.name.removeprefix('chroniccare.')}.{name}", value)


CONSTANTS = list(constants())
DELETES_MEDICATIONS = re.compile(r"\b(DELETE FROM|TRUNCATE) (ONLY )?medications\b")


@pytest.fixture(scope="module")
async def owner(database_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    async with owner_connection(database_url) as connection:
        yield connection


def test_the_search_finds_the_statements() -> None:
    found = {constant.name for constant in CONSTANTS}
    assert {"patients.queries.GET", "tenancy.queries.FIND_KEY", "audit.queries.INSERT"} <= found


@pytest.mark.parametrize("constant", CONSTANTS, ids=lambda constant: constant.name)
async def test_a_statement_fits_the_schema_and_its_record(
    owner: "asyncpg.Connection[asyncpg.Record]", constant: Constant
) -> None:
    prepared = await owner.prepare(constant.statement.sql)
    if isinstance(constant.statement, Query):
        columns = [(column.name, column.type.name) for column in prepared.get_attributes()]
        assert misfits(constant.statement.row, columns) == []


@pytest.mark.parametrize("constant", CONSTANTS, ids=lambda constant: constant.name)
async def test_a_role_may_run_the_statement(
    owner: "asyncpg.Connection[asyncpg.Record]", constant: Constant
) -> None:
    allowed = [
        role for role in (APP_ROLE, SYSTEM_ROLE) if await may_run(owner, role, constant.statement)
    ]
    assert allowed, "neither role has the rights that this statement needs"


async def may_run(
    owner: "asyncpg.Connection[asyncpg.Record]", role: str, statement: Query[Any] | Command
) -> bool:
    """Say whether `role` has every right the statement needs; EXPLAIN checks and does not run."""
    count = len((await owner.prepare(statement.sql)).get_parameters())
    arguments = f"({', '.join(['NULL'] * count)})" if count else ""
    await owner.execute(f"PREPARE probe AS {statement.sql}")
    try:
        await owner.execute(f"SET ROLE {role}; EXPLAIN EXECUTE probe{arguments}")
    except asyncpg.InsufficientPrivilegeError:
        return False
    finally:
        await owner.execute("RESET ROLE; DEALLOCATE probe")
    return True


def misfits(row: type, columns: list[tuple[str, str]]) -> list[str]:
    """Return what differs between a record's fields and a statement's columns."""
    names = [field.name for field in fields(row)]
    if names != [name for name, _ in columns]:
        return [f"fields {names}, columns {[name for name, _ in columns]}"]
    hints = get_type_hints(row)
    return [
        f"{name} is {hints[name]}, its column {column}"
        for name, column in columns
        if not fits(hints[name], column)
    ]


def fits(annotation: Any, column: str) -> bool:
    """Say whether a column of this type may stand in a field with this annotation."""
    if annotation is Any:
        return True
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return fits(arguments[0], column)
    if origin in {Union, types.UnionType}:
        return any(fits(one, column) for one in arguments if one is not types.NoneType)
    if origin is Literal:
        return all(type(value) in PYTHON.get(column, ()) for value in arguments)
    if column.endswith("[]"):
        return origin is list and fits(arguments[0], column.removesuffix("[]"))
    return (origin or annotation) in PYTHON.get(column, ())


@dataclass(frozen=True, slots=True)
class Sample:
    id: UUID
    names: list[str]
    kind: Literal["a", "b"] | None


@pytest.mark.parametrize(
    ("columns", "good"),
    [
        ([("id", "uuid"), ("names", "text[]"), ("kind", "text")], True),
        ([("id", "uuid"), ("names", "jsonb"), ("kind", "varchar")], True),
        ([("names", "jsonb"), ("id", "uuid"), ("kind", "text")], False),
        ([("id", "text"), ("names", "jsonb"), ("kind", "text")], False),
        ([("id", "uuid"), ("names", "uuid[]"), ("kind", "text")], False),
        ([("id", "uuid"), ("names", "jsonb"), ("kind", "int4")], False),
        ([("id", "uuid"), ("names", "jsonb")], False),
    ],
)
def test_a_misfit_is_seen(columns: list[tuple[str, str]], good: bool) -> None:
    assert (misfits(Sample, columns) == []) is good


def test_a_dose_without_a_medication_cannot_be_written() -> None:
    # medication_doses has no foreign key (ADR 0024): what stands in its place holds by these two.
    deleting = [one.name for one in CONSTANTS if DELETES_MEDICATIONS.search(one.statement.sql)]
    writing = [one for one in CONSTANTS if "INSERT INTO medication_doses" in one.statement.sql]
    assert deleting == []
    assert [one.name for one in writing] == ["medications.doses.queries_plan.WRITE"]
    assert "JOIN medications m ON m.id = k.medication_id" in writing[0].statement.sql
