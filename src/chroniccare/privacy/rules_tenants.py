"""In which order the tables of a tenant are emptied. Pure."""

from collections.abc import Mapping


def order(leads_to: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the tables in groups, each before those that it leads to.

    A group is one table, or those that lead to each other in a circle. `leads_to` has every table
    with those that its foreign keys lead to; tables that are not among its keys do not count.
    """
    reached = {name: _reached(name, leads_to) | {name} for name in leads_to}
    groups: list[list[str]] = []
    placed: set[str] = set()
    # Who is reached by more comes later; those of a circle are reached by the same.
    for name in sorted(leads_to, key=lambda one: (sum(one in r for r in reached.values()), one)):
        if name in placed:
            continue
        circle = sorted(o for o in reached[name] if name in reached[o])
        groups.append(circle)
        placed.update(circle)
    return groups


def is_circular(group: list[str], leads_to: Mapping[str, set[str]]) -> bool:
    """Say whether the tables of a group lead to each other, or the one to itself."""
    return len(group) > 1 or group[0] in leads_to[group[0]]


def _reached(start: str, leads_to: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = list(leads_to[start])
    while waiting:
        name = waiting.pop()
        if name in leads_to and name not in found:
            found.add(name)
            waiting.extend(leads_to[name])
    return found
