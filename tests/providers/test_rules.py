"""NPI check digits on paper, against a slower way to say the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chroniccare.providers.rules import is_npi, npi_check_digit

nine_digits = st.builds(
    "{}{:08}".format, st.sampled_from("12"), st.integers(min_value=0, max_value=99_999_999)
)


@pytest.mark.parametrize(
    ("npi", "valid"),
    [
        ("1234567893", True),  # the example of the NPI standard
        ("1234567890", False),
        ("1003000126", True),
        ("0234567895", False),  # the check digit is right, but it begins with neither 1 nor 2
        ("3234567899", False),
    ],
)
def test_known_npis(npi: str, valid: bool) -> None:
    assert is_npi(npi) is valid


@given(nine_digits)
def test_the_check_digit_makes_the_luhn_sum_with_the_prefix_a_multiple_of_ten(nine: str) -> None:
    digits = [int(digit) for digit in "80840" + nine + npi_check_digit(nine)]
    doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
    assert (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
    assert is_npi(nine + npi_check_digit(nine))


@given(nine_digits, st.integers(1, 9), st.integers(1, 9))
def test_one_wrong_digit_is_noticed(nine: str, place: int, more: int) -> None:
    npi = nine + npi_check_digit(nine)
    wrong = npi[:place] + str((int(npi[place]) + more) % 10) + npi[place + 1 :]
    assert not is_npi(wrong)
