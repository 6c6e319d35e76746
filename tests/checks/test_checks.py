"""Each check finds what it is there to find, and nothing in the tree as it is."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chroniccare.settings import Settings
from tests.checks import __main__ as program
from tests.checks import code, documents


def label(value: object) -> str:
    """Return a test's name that is the same in every process."""
    return str(getattr(value, "__name__", value))[:40]


LONG = "def f():\n" + "    x = 1\n" * 60

BAD: list[tuple[code.Check, str, str, str]] = [
    (code.local_time, "a/rules.py", "x = y.astimezone(UTC)", "astimezone"),
    (code.local_time, "a/rules.py", "x = datetime.combine(d, t)", "combine"),
    (code.local_time, "a/rules.py", "x = dt.datetime.combine(d, t)", "combine"),
    (code.local_time, "a/rules.py", "x = y.replace(tzinfo=UTC)", "replace"),
    (code.local_time, "a/rules.py", "x = ZoneInfo('UTC')", "ZoneInfo"),
    (code.local_time, "a/rules.py", "x = zone.localize(y)", "localize"),
    (code.clock, "a/actions.py", "x = datetime.now(UTC)", "datetime.now"),
    (code.clock, "a/actions.py", "x = dt.datetime.utcnow()", "datetime.utcnow"),
    (code.clock, "a/actions.py", "x = time.time()", "time.time"),
    (code.clock, "a/actions.py", "x = date.today()", "date.today"),
    (code.printing, "a/actions.py", "print(1)", "print"),
    (code.built_sql, "a/actions.py", "def f(x):\n return Query(R, x)", "inside a function"),
    (code.built_sql, "a/queries.py", "A = Command(f'SELECT {name}')", "module constants"),
    (code.built_sql, "a/queries.py", "A = Command(f'SELECT {f()}')", "module constants"),
    (code.built_sql, "a/queries.py", "A = Command('SELECT {}'.format(x))", "module constants"),
    (code.built_sql, "a/queries_more.py", "def f(x):\n return ','.join(x)", "module constants"),
    (code.built_sql, "a/queries.py", "def f(x):\n return f'SELECT {X}'", "module constants"),
    (code.length, "a/actions.py", LONG, "61 lines"),
    (code.length, "a/actions.py", "x = 1\n" * 401, "401 lines"),
    (code.late_imports, "a/actions.py", "def f():\n import os", "import inside"),
    (code.late_imports, "a/actions.py", "class A:\n def f(self):\n  from os import sep", "import"),
    (code.fastapi_only_at_the_edge, "a/actions.py", "import fastapi", "fastapi"),
    (code.fastapi_only_at_the_edge, "front.py", "from fastapi.routing import X", "fastapi"),
    (code.bottom_of_a_slice, "a/queries.py", "from chroniccare.a.plan import x", "above"),
    (code.bottom_of_a_slice, "a/rules.py", "from chroniccare.a import actions", "above"),
    (code.bottom_of_a_slice, "a/rules.py", "from chroniccare.a.b.actions import x", "above"),
]

GOOD: list[tuple[code.Check, str, str]] = [
    (code.local_time, "core/time.py", "x = y.astimezone(UTC)"),
    (code.local_time, "a/rules.py", "x = y.replace('a', 'b')"),
    (code.clock, "platform/postgres.py", "x = datetime.now(UTC)"),
    (code.clock, "a/actions.py", "x = time.monotonic()"),
    (code.printing, "cli.py", "print(1)"),
    (code.built_sql, "a/queries.py", "A = Query(R, f'SELECT {_COLUMNS} {B.sql}')"),
    (code.built_sql, "a/queries.py", "_C = ', '.join(f'a.{n}' for n in _N.split())"),
    (code.built_sql, "a/api.py", "def f(x: Annotated[int, Query(ge=1)]): ..."),
    (code.length, "a/actions.py", LONG.removesuffix("    x = 1\n")),
    (code.late_imports, "cli.py", "def f():\n import os"),
    (code.fastapi_only_at_the_edge, "a/api.py", "import fastapi"),
    (code.fastapi_only_at_the_edge, "a/b/api.py", "import fastapi"),
    (code.bottom_of_a_slice, "a/queries.py", "from chroniccare.platform.postgres import Query"),
    (code.bottom_of_a_slice, "a/schemas.py", "from chroniccare.a import rules"),
    (code.bottom_of_a_slice, "a/schemas.py", "from chroniccare.a.b.schemas import X"),
]


@pytest.mark.parametrize(("check", "name", "text", "said"), BAD, ids=label)
def test_a_fault_in_the_code_is_found(check: code.Check, name: str, text: str, said: str) -> None:
    found = list(check(code.parse(name, text)))
    assert len(found) == 1
    assert said in found[0]
    assert found[0].startswith(f"src/chroniccare/{name}:")


@pytest.mark.parametrize(("check", "name", "text"), GOOD, ids=label)
def test_what_is_allowed_is_not_found(check: code.Check, name: str, text: str) -> None:
    assert list(check(code.parse(name, text))) == []


def test_every_check_of_the_code_is_proved() -> None:
    assert {row[0] for row in BAD} == {row[0] for row in GOOD} == set(code.CHECKS)


def test_allowances_name_files_that_exist() -> None:
    for name in code.MAY_CONVERT_TIME | set(code.MAY_READ_CLOCK):
        assert (code.SOURCE / name).exists()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "src/chroniccare/patients").mkdir(parents=True)
    (tmp_path / "src/chroniccare/patients/api.py").touch()
    (tmp_path / "Makefile").write_text("run: x\n\ttrue\ntest: x\n\ttrue\n")
    (tmp_path / "docs/other.md").write_text("# A heading, of sorts\n")
    return tmp_path


DocumentCheck = Callable[[Path, str, Path], Iterator[str]]

DOCUMENTS: list[tuple[DocumentCheck, str, str]] = [
    (documents.links, "[a](docs/other.md) [b](docs/other.md#a-heading-of-sorts) [c](#x)", "#x"),
    (documents.links, "[a](docs/missing.md), [w](https://example.com/x)", "docs/missing.md"),
    (documents.links, "[a](docs/other.md#absent)", "#absent"),
    (documents.paths, "`patients/api.py` `docs/other.md` `api.py` `docs/` `a/b.py`", "a/b.py"),
    (documents.paths, "`docs/*.md` `gone.py` `docs/adr/NNNN-x.md`", "gone.py"),
    (documents.paths, "`src/chroniccare/nothing/`", "nothing/"),
    (documents.make_targets, "make sure to `make run`, then `make tea`", "make tea"),
    (documents.make_targets, "```sh\nmake test\nmake toast ARGS=x\n```", "make toast"),
    (documents.variables, "`CHRONICCARE_PORT=1 CHRONICCARE_PROT=2`", "CHRONICCARE_PROT"),
]


@pytest.mark.parametrize(("check", "text", "said"), DOCUMENTS, ids=label)
def test_a_fault_in_a_document_is_found(
    tree: Path, check: DocumentCheck, text: str, said: str
) -> None:
    path = tree / "README.md"
    path.write_text(text)
    found = list(check(path, text, tree))
    assert len(found) == 1
    assert said in found[0]


def test_a_command_that_does_not_exist_is_found(tree: Path) -> None:
    path = tree / "README.md"
    text = "chroniccare brews nothing:\n```\nchroniccare up --demo\n.venv/bin/chroniccare brew\n```"
    found = list(documents.cli_commands(path, text, tree))
    assert found == ["README.md: names `chroniccare brew`, which does not exist"]


def test_every_check_of_the_documents_is_proved() -> None:
    proved = {row[0] for row in DOCUMENTS} | {documents.cli_commands}
    assert proved == set(documents.CHECKS)


def test_the_page_of_the_settings_names_each_with_its_default_and_bounds(tree: Path) -> None:
    page = documents.settings_page()
    assert page.count("\n| `") == len(Settings.model_fields) + 1
    assert "| `CHRONICCARE_PORT` | `8000` | 1 to 65535 |" in page
    assert "| `development`, `production` |" in page
    assert len(list(documents.settings_are_documented(tree))) == 1
    (tree / "docs/settings.md").write_text(page)
    assert list(documents.settings_are_documented(tree)) == []


def test_the_program_writes_the_page_and_says_what_it_found(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(code, "ROOT", tree)
    program.main(["--write"])
    assert (tree / "docs/settings.md").read_text() == documents.settings_page()
    assert program.main(["--what"]) == 2
    assert "usage" in capsys.readouterr().err


# Contracts of import-linter: one line that must break each.
BROKEN = [
    ("layers", "patients/rules.py", "import chroniccare.scheduling"),
    ("layers", "newfolder/__init__.py", ""),
    ("layers", "core/ids.py", "import chroniccare.settings"),
    ("slices", "patients/queries.py", "import chroniccare.patients.actions"),
    ("slices", "patients/actions.py", "import chroniccare.patients.api"),
    ("drivers", "tenancy/actions.py", "import asyncpg"),
    ("drivers", "front.py", "import hiredis"),
    ("rules", "patients/rules.py", "import chroniccare.platform.postgres"),
    ("core", "core/paging.py", "import pydantic"),
]


@pytest.mark.parametrize(("contract", "name", "line"), BROKEN, ids=label)
def test_an_import_against_the_layers_breaks_the_contract(
    tmp_path: Path, contract: str, name: str, line: str
) -> None:
    shutil.copytree(code.SOURCE, tmp_path / "chroniccare")
    shutil.copy(code.ROOT / "pyproject.toml", tmp_path)
    file = tmp_path / "chroniccare" / name
    file.parent.mkdir(exist_ok=True)
    with file.open("a") as out:
        out.write(f"\n{line}\n")
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--contract", contract],
        cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert run.returncode == 1, run.stdout + run.stderr
    assert "1 broken" in run.stdout
