"""`python -m tests.checks` prints what is wrong and exits 1; with --write it writes the pages."""

import sys

from tests.checks import code, documents


def main(arguments: list[str]) -> int:
    """Run every check, after writing the generated pages if asked to; return the exit code."""
    if arguments == ["--write"]:
        page = code.ROOT / documents.SETTINGS_PAGE
        page.parent.mkdir(exist_ok=True)
        page.write_text(documents.settings_page(), encoding="utf-8")
    elif arguments:
        print("usage: python -m tests.checks [--write]", file=sys.stderr)
        return 2
    found = [*code.findings(), *documents.findings()]
    for line in found:
        print(line)
    if not found:
        print("checks: nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
