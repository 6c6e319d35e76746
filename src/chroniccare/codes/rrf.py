"""Files of RxNorm as the National Library of Medicine publishes them: concepts and what is in them.

Of RXNCONSO.RRF and RXNREL.RRF only what is needed is kept: RxNorm's own names of drugs, and the
relations that lead from a product to its ingredients.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chroniccare.codes.queries import Concept
from chroniccare.codes.rules import DOWNWARD, INGREDIENT, TERM_TYPES, contents, is_rxcui
from chroniccare.core.rows import Faults, FileError, refuse

_CONSO, _REL = "RXNCONSO.RRF", "RXNREL.RRF"
_CONSO_FIELDS, _REL_FIELDS = 18, 16
_MOST_NAME = 3000


@dataclass(frozen=True, slots=True)
class Subset:
    """What was read; iterate over it for the concepts."""

    kinds: dict[int, str]
    names: dict[int, str]
    inside: dict[int, list[int]]

    def __iter__(self) -> Iterator[Concept]:
        """Yield every concept with its ingredients; an ingredient's own is itself."""
        for concept, kind in self.kinds.items():
            made_of = [concept] if kind == INGREDIENT else sorted(self.inside.get(concept, ()))
            yield Concept(str(concept), kind, self.names[concept], list(map(str, made_of)))


def read(folder: Path) -> Subset:
    """Return every concept of the release in `folder`.

    Raises:
        FileError: a file is missing, is no text in UTF-8, or has rows that are none of its kind.
    """
    kinds, names = _concepts(folder / _CONSO)
    edges = _edges(folder / _REL, kinds)
    inside: dict[int, list[int]] = {}
    for concept, ingredient in contents(kinds, edges):
        inside.setdefault(concept, []).append(ingredient)
    return Subset(kinds, names, inside)


def _rows(path: Path, fields: int, faults: Faults) -> Iterator[tuple[int, list[str]]]:
    """Yield each row's line and values; every value is closed by a bar, the last one too."""
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for line, text in enumerate(file, start=1):
                values = text.rstrip("\r\n").split("|")
                if len(values) == fields + 1 and not values[-1]:
                    yield line, values
                else:
                    faults.add(line, f"{path.name}: must have {fields} values, a | behind each")
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise FileError(f"{path}: is not text in UTF-8") from None


def _concepts(path: Path) -> tuple[dict[int, str], dict[int, str]]:
    """Return term type and name of each concept; a concept with several keeps the first."""
    kinds: dict[int, str] = {}
    names: dict[int, str] = {}
    faults = Faults()
    for line, values in _rows(path, _CONSO_FIELDS, faults):
        rxcui, language, source, kind = values[0], values[1], values[11], values[12]
        name, suppressed = values[14], values[16]
        if source != "RXNORM" or kind not in TERM_TYPES or language != "ENG" or suppressed != "N":
            continue
        if not is_rxcui(rxcui):
            faults.add(line, f"{path.name}: RXCUI must be a number of at most 8 digits")
        elif not 0 < len(name) <= _MOST_NAME or "\0" in name:
            faults.add(line, f"{path.name}: STR must have 1 to {_MOST_NAME} characters")
        else:
            kinds.setdefault(int(rxcui), kind)
            names.setdefault(int(rxcui), name)
    refuse(path.name, faults)
    return kinds, names


def _edges(path: Path, kinds: dict[int, str]) -> dict[int, list[int]]:
    """Return for each concept those it is made of, one step down."""
    edges: dict[int, list[int]] = {}
    faults = Faults()
    for line, values in _rows(path, _REL_FIELDS, faults):
        # "RXCUI2 has_ingredient RXCUI1": the second concept has the relation to the first.
        below, above, relation, source = values[0], values[4], values[7], values[10]
        if source != "RXNORM" or relation not in DOWNWARD or not (below and above):
            continue
        if not (is_rxcui(below) and is_rxcui(above)):
            faults.add(line, f"{path.name}: RXCUI must be a number of at most 8 digits")
        elif int(below) in kinds and int(above) in kinds:
            edges.setdefault(int(above), []).append(int(below))
    refuse(path.name, faults)
    return edges
