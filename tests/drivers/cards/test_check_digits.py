"""The check digits of every card: numbers that are published, and any wrong digit is noticed.

Where a sum is modulo a number that is no prime, some exchanges of two digits go unnoticed; single digits never do.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.cards.belgian_eid import is_nrn, nrn_check_number
from drivers.cards.ecard import is_ehic_number, is_svnr
from drivers.cards.egk import is_kvnr
from drivers.cards.estonian_id import is_personal_code, personal_code_check_digit
from drivers.cards.nhi import is_identity_number
from drivers.cards.portuguese_cc import document_check_digit, is_civil_number, is_document_number, is_nif
from drivers.cards.serbian_health import is_jmbg, jmbg_check_digit
from drivers.cards.thai_id import citizen_check_digit, is_citizen_number
from drivers.cards.veka import ahv_check_digit, is_ahv
from drivers.cards.vitale import is_nir, nir_key


@pytest.mark.parametrize(
    ("is_right", "number"),
    [
        pytest.param(is_kvnr, "X110411675", id="KVNR of the specification"),
        pytest.param(is_ahv, "7569217076985", id="AHV number of the brochures"),
        pytest.param(is_svnr, "1237010180", id="SVNR of the brochures"),
        pytest.param(is_identity_number, "A123456789", id="Taiwan, the usual example"),
        pytest.param(is_identity_number, "A800000014", id="Taiwan, resident since 2021"),
        pytest.param(is_jmbg, "0308964384007", id="JMBG of a tax form"),
        pytest.param(is_jmbg, "0101006500006", id="JMBG of an example"),
        pytest.param(is_nrn, "85073003328", id="NRN, born 1985"),
        pytest.param(is_nrn, "00012556777", id="NRN, born 2000"),
        pytest.param(is_personal_code, "37605030299", id="isikukood of the examples"),
        pytest.param(is_personal_code, "49403136515", id="isikukood of the examples, a woman"),
        pytest.param(is_citizen_number, "1101700207030", id="Thai number of an example"),
        pytest.param(is_document_number, "000000000ZZ4", id="Cartão de Cidadão of the manual"),
        pytest.param(is_nif, "123456789", id="NIF of the examples"),
        pytest.param(is_civil_number, "000000000", id="civil number of the manual's card"),
        pytest.param(is_nir, "255081416802538", id="NIR of the brochures"),
        pytest.param(is_nir, f"180012A001001{nir_key('180012A001001'):02}", id="NIR, Corsica"),
        pytest.param(is_ehic_number, "80276881010000000011", id="EHIC, by its form"),
    ],
)
def test_a_published_number_is_right(is_right: Callable[[str], bool], number: str) -> None:
    assert is_right(number)


CHECKS = [is_ahv, is_svnr, is_identity_number, is_jmbg, is_nrn, is_personal_code, is_citizen_number, is_document_number]
CHECKS += [is_nif, is_nir, is_ehic_number]


@pytest.mark.parametrize("is_right", CHECKS, ids=lambda check: check.__name__)
@given(text=st.text(max_size=20) | st.text("0123456789٠٩²A", max_size=20))
def test_any_text_at_all_is_a_number_or_not(is_right: Callable[[str], bool], text: str) -> None:
    assert is_right(text) in {True, False}
    assert not is_right(f"{text} ")


def digits(count: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=count, max_size=count)


@given(body=digits(12), place=st.integers(0, 11), shift=st.integers(1, 9))
def test_a_wrong_digit_is_noticed_where_the_last_digit_checks(body: str, place: int, shift: int) -> None:
    ahv = f"756{body[3:]}"
    for is_right, number in (
        (is_ahv, ahv + str(ahv_check_digit(ahv))),
        (is_document_number, body[:9] + "ZZ" + str(document_check_digit(body[:9] + "ZZ"))),
    ):
        assert is_right(number)
        at = place if number[place].isdigit() else 0
        wrong = number[:at] + str((int(number[at]) + shift) % 10) + number[at + 1 :]
        assert not is_right(wrong)


@given(body=digits(12), shift=st.integers(1, 9))
def test_a_wrong_check_digit_is_noticed(body: str, shift: int) -> None:
    code = f"{int(body[0]) % 8 + 1}{body[1:10]}"
    for is_right, front, check in (
        (is_jmbg, body, jmbg_check_digit(body)),
        (is_citizen_number, body, citizen_check_digit(body)),
        (is_personal_code, code, personal_code_check_digit(code)),
    ):
        assert is_right(f"{front}{check}")
        assert not is_right(f"{front}{(check + shift) % 10}")


@given(body=digits(9), place=st.integers(0, 8), shift=st.integers(1, 9), century=st.booleans())
def test_a_wrong_digit_of_a_belgian_number_is_noticed_in_its_century(
    body: str, place: int, shift: int, century: bool
) -> None:
    wrong = body[:place] + str((int(body[place]) + shift) % 10) + body[place + 1 :]
    assert is_nrn(f"{body}{nrn_check_number(body, century):02}")
    assert nrn_check_number(body, century) != nrn_check_number(wrong, century)


@given(sex=st.sampled_from("12"), body=digits(12), place=st.integers(1, 12), shift=st.integers(1, 9))
def test_a_wrong_digit_of_a_french_number_is_noticed(sex: str, body: str, place: int, shift: int) -> None:
    number = f"{sex}{body}"
    wrong = number[:place] + str((int(number[place]) + shift) % 10) + number[place + 1 :]
    assert is_nir(f"{number}{nir_key(number):02}")
    assert not is_nir(f"{wrong}{nir_key(number):02}")


@given(letter=st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), body=digits(7), second=st.sampled_from("1289ABCD"))
def test_of_ten_last_digits_one_makes_a_taiwanese_number(letter: str, body: str, second: str) -> None:
    assert sum(is_identity_number(f"{letter}{second}{body}{check}") for check in range(10)) == 1
