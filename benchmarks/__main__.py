"""`python -m benchmarks [NAME ...]`: run the named benchmarks, or all of them."""

import sys

from . import (
    adherence,
    audit,
    book,
    bundles,
    calendars,
    console,
    day,
    doses,
    due_time,
    fairness,
    fhir,
    fhir_load,
    functions,
    isolation,
    notifier,
    races,
    rate,
    read_patient,
    receipts,
    reminders,
    sealed,
    series,
    slots,
    spend,
    start,
    stored,
    validation,
)

ALL = {
    "start": start,
    "read_patient": read_patient,
    "sealed": sealed,
    "book": book,
    "races": races,
    "reminders": reminders,
    "day": day,
    "notifier": notifier,
    "functions": functions,
    "rate": rate,
    "spend": spend,
    "due_time": due_time,
    "receipts": receipts,
    "slots": slots,
    "bundles": bundles,
    "calendars": calendars,
    "console": console,
    "series": series,
    "adherence": adherence,
    "isolation": isolation,
    "doses": doses,
    "audit": audit,
    "fairness": fairness,
    "stored": stored,
    "validation": validation,
    "fhir": fhir,
    "fhir_load": fhir_load,
}


def main() -> int:
    """Run what the command line names; 2 for a name that there is not."""
    names = sys.argv[1:] or list(ALL)
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    for name in names:
        print(f"== {name}: {(ALL[name].__doc__ or '').splitlines()[0]}", flush=True)
        ALL[name].main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
