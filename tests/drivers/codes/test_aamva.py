"""Driving licences of North America: every version, both orders of dates, and nothing that is laid out otherwise."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.codes.payloads import NotUsable, aamva, samples
from kioskd.core.identity import Card, Reason, agreement
from kioskd.core.patient import Identifier, PartialDate, Patient, Sex


def elements(**changed: str | None) -> dict[str, str]:
    return {name: value for name, value in {**samples.LICENCE, **changed}.items() if value is not None}


def read(**changed: str | None) -> Card:
    return aamva.card(samples.licence(elements(**changed)))


def test_a_licence_as_its_issuer_printed_it():
    printed = (
        b"@\n\x1e\rANSI 636000100202DL00410154ZV01950008DLDAQT64235789\nDCSSAMPLE\nDDEN\nDACMICHAEL\nDDFN\nDADJOHN\n"
        b"DDGN\nDBB06061986\nDBA12102034\nDBC1\nDAG2300 WEST BROAD STREET\nDAIRICHMOND\nDAJVA\nDAK232690000  \nDCGUSA\r"
        b"ZVZVA01\r"
    )
    assert samples.licence() == printed
    assert (printed[41:45], printed[41 + 154 : 43 + 154]) == (b"DLDA", b"ZV")
    assert aamva.card(printed) == Card(
        kind="aamva-dl",
        identifier=Identifier("urn:kioskd:aamva:636000", "T64235789"),
        family="SAMPLE",
        given="MICHAEL JOHN",
        birth_date=date(1986, 6, 6),
        sex=Sex.MALE,
        valid_until=date(2034, 12, 10),
        suffices_for_billing=False,
    )


@pytest.mark.parametrize("version", range(2, 14))
@pytest.mark.parametrize("kind", ["DL", "ID", "EN"])
def test_every_version_and_kind_of_card(version: int, kind: str):
    card = aamva.card(samples.licence(version=version, kind=kind, issuer="604428"))
    assert (card.family, card.identifier.system) == ("SAMPLE", "urn:kioskd:aamva:604428")


def test_the_first_version_has_a_shorter_header_and_one_name():
    old = {"DAA": "SAMPLE,MICHAEL,JOHN", "DAQ": "T64235789", "DBB": "19860606", "DBA": "20341210", "DBC": "M"}
    for version in (0, 1):
        data = samples.licence(old, version=version, others=())
        for written in (data, data.replace(b"ANSI ", b"AAMVA")):
            card = aamva.card(written)
            assert (card.family, card.given, card.birth_date) == ("SAMPLE", "MICHAEL JOHN", date(1986, 6, 6))
            assert (card.valid_until, card.sex) == (date(2034, 12, 10), Sex.MALE)


def test_given_names_of_versions_two_and_three_stand_together():
    assert read(DAC=None, DAD=None, DCT="MICHAEL,JOHN").given == "MICHAEL JOHN"
    assert read(DCS=None, DAB="SAMPLE").family == "SAMPLE"


def test_what_says_that_there_is_no_name_is_none():
    assert read(DAD="NONE").given == "MICHAEL"
    assert read(DAC="unavl", DAD=None).given == ""
    with pytest.raises(NotUsable, match="no name"):
        read(DCS="NONE", DAC="NONE", DAD=None)


@given(st.dates(date(1900, 1, 1), date(2030, 12, 31)), st.booleans(), st.sampled_from(["USA", "CAN", None]))
def test_both_orders_of_dates_are_told_apart_by_themselves(born: date, is_canadian: bool, country: str | None):
    """MMDDCCYY and CCYYMMDD never fit one another, so a wrong country changes nothing."""
    written = born.strftime("%Y%m%d" if is_canadian else "%m%d%Y").zfill(8)
    card = read(DBB=written, DBA=written, DCG=country)
    assert (card.birth_date, card.valid_until) == (born, born)


@pytest.mark.parametrize(
    ("written", "known"), [("00001986", "1986"), ("06001986", "1986-06"), ("19860600", "1986-06"), ("19860000", "1986")]
)
def test_a_birth_date_that_is_known_in_part_stays_so(written: str, known: str):
    card = read(DBB=written)
    assert (card.birth_date, card.partial_birth_date) == (None, PartialDate.parse(known))


@pytest.mark.parametrize(
    "written", ["", "02301986", "13131986", "6061986", "060619866", "0606198X", "٠٦٠٦١٩٨٦", "06060086"]
)
def test_a_birth_date_that_is_none_is_refused(written: str):
    with pytest.raises(NotUsable, match="birth date"):
        aamva.card(samples.licence(elements(DBB="@@@@")).replace(b"@@@@", written.encode()))


@pytest.mark.parametrize("written", ["", "NONE", "00000000", "99999999", "02302034"])
def test_a_card_that_never_ends_has_no_last_day(written: str):
    assert read(DBA=written).valid_until is None


def test_the_place_of_the_part_is_where_the_header_says():
    """Another part first, and the holder's behind it: only the header tells."""
    data = samples.licence()
    body, other = data[41:195], data[195:]
    assert (body[:2], other) == (b"DL", b"ZVZVA01\r")
    swapped = data[:21] + b"ZV00410008DL00490154" + other + body
    assert aamva.card(swapped) == aamva.card(data)
    decoy = body.replace(b"SAMPLE", b"DECOY!")
    assert aamva.card(data[:21] + b"ZV00410162DL02030154" + b"ZV" + decoy[2:] + other + body).family == "SAMPLE"


def test_lengths_and_places_that_are_misprinted_are_put_right_where_that_is_certain():
    data = samples.licence()
    for wrong in (b"DL00410153", b"DL00410155", b"DL00410278", b"DL00410000", b"DL00200154", b"DL99990154"):
        assert aamva.card(data.replace(b"DL00410154", wrong)) == aamva.card(data), wrong


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d[:-9],
        lambda d: d[:100],
        lambda d: d[:30],
        lambda d: d.replace(b"02DL", b"00DL"),
        lambda d: d.replace(b"02DL", b"99DL"),
        lambda d: d.replace(b"DL0041", b"ZX0041"),
        lambda d: d.replace(b"DL00410154", b"DLx0410154"),
        lambda d: d.replace(b"DLDAQ", b"XXDAQ"),
        lambda d: d.replace(b"\nDCS", b"\n***"),
        lambda d: d.replace(b"DAQT64235789", b"DAQ"),
        lambda d: d.replace(b"DAQT64235789", b"DAQ\xb2\xb2"),
        lambda d: d.replace(b"SAMPLE", b"SA\x07PLE"),
        lambda d: d.replace(b"DDEN", b"DCSOTHER"),
        lambda d: d.replace(b"ANSI ", b"ANSI"),
        lambda d: d.replace(b"\x1e", b""),
        lambda d: d + b"x" * 5000,
    ],
)
def test_what_is_not_laid_out_so_is_refused(change: Callable[[bytes], bytes]):
    data = samples.licence(others=(("ZV", "ZVA01"),))
    changed = change(data)
    assert changed != data
    with pytest.raises(NotUsable) as refusal:
        aamva.card(changed)
    assert refusal.value.reason is Reason.CODE_UNUSABLE
    assert not any(word in str(refusal.value) for word in ("SAMPLE", "MICHAEL", "T6423", "1986"))


def test_accents_are_read_as_the_standard_has_them_and_as_scanners_make_them():
    data = samples.licence(elements(DCS="TRÉPANIER"))
    assert aamva.card(data).family == "TRÉPANIER"
    assert aamva.card(data.decode("latin-1").encode()).family == "TRÉPANIER"


def test_a_name_that_was_cut_agrees_with_the_whole_one_and_a_short_one_does_not():
    whole = Patient("p1", (), "Featherstonehaugh-Cholmondeley", "Maximiliana Wilhelmina", date(1986, 6, 6))
    cut = read(DCS="FEATHERSTONEHAUGH-CHOL", DDE="T", DAC="MAXIMILIANA WILHE", DDF="T", DAD=None)
    assert (cut.is_family_cut, cut.is_given_cut, agreement(cut, whole)) == (True, True, None)
    uncut = read(DCS="FEATHERSTONEHAUGH-CHOL", DAC="MAXIMILIANA", DAD=None)
    assert agreement(uncut, whole) is Reason.NAME_DIFFERS
    short = read(DCS="FEATHER", DDE="T", DAC="MAXIMILIANA", DAD=None)
    assert agreement(short, whole) is Reason.NAME_DIFFERS
