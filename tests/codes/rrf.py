"""A small release of RxNorm, in the files that the National Library of Medicine publishes."""

from pathlib import Path

CONCEPTS = {
    "10734": ("IN", "tranylcypromine"),
    "8702": ("IN", "procarbazine"),
    "704": ("IN", "amitriptyline"),
    "8076": ("IN", "perphenazine"),
    "6809": ("IN", "metformin"),
    "36567": ("IN", "simvastatin"),
    "21212": ("IN", "clarithromycin"),
    "9000001": ("PIN", "tranylcypromine sulfate"),
    "9000002": ("SCDC", "tranylcypromine 10 MG"),
    "9000003": ("SCD", "tranylcypromine 10 MG Oral Tablet"),
    "9000004": ("SBD", "tranylcypromine 10 MG Oral Tablet [Parnate]"),
    "9000005": ("BN", "Parnate"),
    "9000006": ("SCD", "amitriptyline 25 MG / perphenazine 2 MG Oral Tablet"),
    "9000007": ("SCDC", "amitriptyline 25 MG"),
    "9000008": ("SCDC", "perphenazine 2 MG"),
    "9000009": ("GPCK", "a pack of one drug"),
    "9000010": ("SCD", "a drug whose ingredient is not in the subset"),
}
# The first is what the second is made of, as in RXNREL.RRF: "RXCUI2 has_ingredient RXCUI1".
RELATIONS = [
    ("10734", "has_ingredient", "9000002"),
    ("9000001", "has_precise_ingredient", "9000002"),
    ("10734", "form_of", "9000001"),
    ("9000002", "consists_of", "9000003"),
    ("9000003", "tradename_of", "9000004"),
    ("10734", "tradename_of", "9000005"),
    ("704", "has_ingredient", "9000007"),
    ("8076", "has_ingredient", "9000008"),
    ("9000007", "consists_of", "9000006"),
    ("9000008", "consists_of", "9000006"),
    ("9000003", "contains", "9000009"),
    ("9000003", "constitutes", "9000002"),  # the other direction, of which no use is made
    ("555", "has_ingredient", "9000010"),
]


def conso(rxcui: str, kind: str, name: str, *, source: str = "RXNORM", suppress: str = "N") -> str:
    return f"{rxcui}|ENG||||||1|||{rxcui}|{source}|{kind}|{rxcui}|{name}||{suppress}|4096|\n"


def rel(below: str, relation: str, above: str, *, source: str = "RXNORM") -> str:
    return f"{below}||CUI|RO|{above}||CUI|{relation}|1||{source}||||||\n"


def write(folder: Path) -> Path:
    """Write the release into `folder`."""
    rows = [conso(rxcui, kind, name) for rxcui, (kind, name) in CONCEPTS.items()]
    rows += [
        conso("6809", "PT", "metformin of another source", source="MTHSPL"),
        conso("1", "SCD", "obsolete", suppress="O"),
        conso("6809", "SY", "a synonym"),
    ]
    (folder / "RXNCONSO.RRF").write_text("".join(rows), encoding="utf-8")
    lines = [rel(*one) for one in RELATIONS]
    lines.append(rel("6809", "has_ingredient", "9000003", source="MTHSPL"))
    (folder / "RXNREL.RRF").write_text("".join(lines), encoding="utf-8")
    return folder
