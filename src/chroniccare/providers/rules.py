"""Providers on paper: the check digit of an NPI."""

_ISSUER = "80840"  # health industry, United States: part of what an NPI's check digit covers


def npi_check_digit(nine: str) -> str:
    """Return the tenth digit of the NPI that begins with `nine` digits (Luhn over 80840 + NPI)."""
    total = 0
    for place, digit in enumerate(reversed(_ISSUER + nine)):
        double = int(digit) * 2
        total += int(digit) if place % 2 else double // 10 + double % 10
    return str(-total % 10)


def is_npi(ten: str) -> bool:
    """Say whether `ten` digits are an NPI: the first is 1 or 2, the last is the check digit."""
    return ten[0] in "12" and ten[9] == npi_check_digit(ten[:9])
