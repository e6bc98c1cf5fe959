"""One entry for every code: numbers by the site's patterns, strangers by their kind, and nothing quoted in a log."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.codes.payloads import CheckDigit, NumberRule, Rules, is_well_formed, nhs_number, samples, understood
from kioskd import config
from kioskd.core.identity import Reason
from kioskd.core.patient import Identifier
from kioskd.core.payload import (
    CardPayload,
    CodeKind,
    LetterPayload,
    NumberPayload,
    Stranger,
    Unknown,
    Unusable,
    log_words,
)
from kioskd.errors import ConfigError
from kioskd.roles.codes import code_rules
from tests.drivers.codes.issuers import KEY, TODAY, TRUSTED

LETTER = "KL1:AAAQEAYEAUDAOCAJBIFQYDIOB4DZYKKZ6LC7NW2MSTP62FFC46KZ6AK3"
MEMBER = NumberRule("member-id", "https://insurer.example/member", r"[A-Z]{3}\d{9}", is_shared_by_family=True)
RULES = Rules((nhs_number(), MEMBER), TRUSTED)


def test_a_letter_goes_to_the_hub_as_it_is():
    assert understood(LETTER.encode(), "]Q1", RULES, TODAY) == LetterPayload(LETTER)
    for wrong in (LETTER[:-1], LETTER + "A", LETTER.replace("AA", "11"), "KL1:"):
        said = understood(wrong.encode(), "]Q1", RULES, TODAY)
        assert said == Unusable(CodeKind.LETTER, Reason.CODE_UNUSABLE, "the letter's code is not whole")


def test_a_licence_and_a_health_card_are_cards():
    card = samples.in_digits(samples.health_card(samples.insurance_bundle(), KEY))
    for data, kind in ((samples.licence(), "aamva-dl"), (card.encode(), "smart-health-card")):
        said = understood(data, "", RULES, TODAY)
        assert isinstance(said, CardPayload)
        assert said.card.kind == kind
        assert "Sample" not in repr(said)


def test_a_card_whose_last_day_is_over_is_told_from_one_that_can_not_be_read():
    over = samples.licence({**samples.LICENCE, "DBA": "11222026"})
    assert understood(over, "", RULES, TODAY) == Unusable(
        CodeKind.DRIVING_LICENCE, Reason.CARD_EXPIRED, "its last day is over"
    )
    assert isinstance(
        understood(samples.licence({**samples.LICENCE, "DBA": "11232026"}), "", RULES, TODAY), CardPayload
    )
    ended = samples.in_digits(samples.health_card(samples.insurance_bundle(), KEY, exp=1767225600))
    said = understood(ended.encode(), "", RULES, TODAY)
    assert said == Unusable(CodeKind.HEALTH_CARD, Reason.CARD_EXPIRED, "its last day is over")


@pytest.mark.parametrize("written", [b"9434765919", b"943 476 5919", b" 943 476 5919\r\n"])
def test_a_number_of_the_nhs_is_read_with_its_check_digit(written: bytes):
    number = Identifier("https://fhir.nhs.uk/Id/nhs-number", "9434765919")
    assert understood(written, "]C0", RULES, TODAY) == NumberPayload("nhs-number", number)
    assert understood(written.replace(b"5919", b"5918"), "]C0", RULES, TODAY) == Unknown(len(written))


def test_a_number_of_the_site_is_read_by_its_pattern():
    number = Identifier("https://insurer.example/member", "XYZ123456789")
    assert understood(b"XYZ123456789", "]A0", RULES, TODAY) == NumberPayload(
        "member-id", number, is_shared_by_family=True
    )
    assert "XYZ123456789" not in repr(understood(b"XYZ123456789", "]A0", RULES, TODAY))
    for wrong in (b"XYZ12345678", b"XYZ1234567890", b"xyz123456789", "XYZ١٢٣٤٥٦٧٨٩".encode()):
        assert isinstance(understood(wrong, "]A0", RULES, TODAY), Unknown)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (CheckDigit.LUHN, "808401234567893", "808401234567894"),
        (CheckDigit.LUHN, "79927398713", "79927398710"),
        (CheckDigit.NHS, "9434765919", "9434765929"),
        (CheckDigit.NHS, "4505577104", "4505577114"),
        (CheckDigit.EAN_13, "7569217076985", "7569217076986"),
        (CheckDigit.MOD_97, "79444", "79445"),
        (CheckDigit.MOD_97, "3214282912345698765432161182", "3214282912345698765432161128"),
    ],
)
def test_check_digits_are_checked(check: CheckDigit, good: str, bad: str):
    rule = NumberRule("n", "urn:n", r"[0-9A-Z]{5,30}", check)
    assert rule.identifier(good) == Identifier("urn:n", good)
    assert rule.identifier(bad) is None
    assert rule.identifier("ABCDEFGHIJ" if check is not CheckDigit.MOD_97 else "AAAAA") is None


def test_a_check_of_ten_belongs_to_no_number():
    """NHS numbers whose check would be 10 are not issued."""
    rule = NumberRule("n", "urn:n", r"\d{10}", CheckDigit.NHS)
    tens = [n for n in range(100) if not any(rule.identifier(f"{n:09}{check}") for check in range(10))]
    assert tens
    for n in tens:
        assert sum(w * int(d) for w, d in zip(range(10, 1, -1), f"{n:09}", strict=True)) % 11 == 1


@pytest.mark.parametrize("pattern", ["(a+)+", "a*", "a+", "a|b", ".", "^a", "a$", "[^a]", r"\w", "a{2", "", "[z-a]",
                                     "a{5,2}", "a?b?c?d?", "((", "[[:digit:]]", "(?i)a"])  # fmt: skip
def test_a_pattern_that_could_run_for_ever_or_is_none_is_refused(pattern: str):
    with pytest.raises(ValueError, match="expected"):
        NumberRule("n", "urn:n", pattern)


def test_the_slowest_pattern_that_is_allowed_ends():
    rule = NumberRule("n", "urn:n", r"[A-Z]{0,64}[A-Z]{0,64}[A-Z]{0,64}\d")
    assert rule.identifier("A" * 64) is None


@pytest.mark.parametrize(
    ("data", "symbology", "kind"),
    [
        (
            b'{"urls":["Task/160.123.456.789.123.58/$accept?ac=777bea0e13cc9c42ceec14aec3ddee2263325dc2c6c699db115"]}',
            "]d1",
            "prescription",
        ),
        (b"A1B2C3-A83008-1234EX", "]C0", "prescription"),
        (b'<MP v="026" U="DA5B" l="de-DE"><P g="Anna"/></MP>', "]d1", "medication-plan"),
        (b"HC1:NCFOXN%TSMAHN", "]Q1", "vaccination-certificate"),
        (b"BEGIN:VCARD\nVERSION:3.0\n", "]Q1", "contact"),
        (b"MECARD:N:Huber;;", "]Q1", "contact"),
        (b"WIFI:T:WPA;S:x;P:y;;", "]Q1", "network"),
        (b"BCD\n001\n1\nSCT\n", "]Q1", "payment"),
        (b"BCD\r\n002\r\n1\r\nSCT\r\n", "]Q1", "payment"),
        (b"SPC\n0200\n1\nCH44\n", "]Q1", "payment"),
        (b"M1DESMARAIS/LUC       EABC123 YULFRAAC 0834 326J001A0025 100", "]z0", "boarding-pass"),
        (b"https://example.org/termin?id=1", "]Q1", "web-address"),
        (b"HTTP://EXAMPLE.ORG", "]Q1", "web-address"),
        (b"www.example.org", "]Q1", "web-address"),
        (b"tel:+4930123", "]Q1", "phone"),
        (b"mailto:a@example.org", "]Q1", "message"),
        (b"smsto:+49:hi", "]Q1", "message"),
        (b"BEGIN:VCALENDAR\n", "]Q1", "event"),
        (b"geo:52.5,13.4", "]Q1", "place"),
        (b"otpauth://totp/x?secret=y", "]Q1", "one-time-password"),
        (b"[)>\x1e06\x1d9N111234567842\x1e\x04", "]d1", "product"),
        (b"4006381333931", "]E0", "product"),
        (b"010460123456789321abc", "]C1", "product"),
    ],
)
def test_strangers_are_told_by_their_kind(data: bytes, symbology: str, kind: str):
    assert understood(data, symbology, RULES, TODAY) == Stranger(CodeKind(kind))


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"\x00\xff\xfe", b"1234", b"x" * 20_000, b"@", b"shc", b"M1", b'{"urls":[]}']
)
def test_what_nobody_knows_is_unknown(data: bytes):
    assert understood(data, "", RULES, TODAY) == Unknown(len(data))
    assert not is_well_formed(data, "", RULES)


@given(
    st.sampled_from([samples.licence(), LETTER.encode(), b"9434765919", b"XYZ123456789", b"tel:+4930123", b"strange"])
)
def test_a_log_says_kind_and_length_only(data: bytes):
    said = log_words(understood(data, "]Q1", RULES, TODAY), len(data))
    assert said.endswith(f"{len(data)} bytes")
    assert data.decode() not in said
    assert not any(word in said for word in ("9434", "XYZ", "+49", "SAMPLE", "strange", "AAAQ"))


def test_it_needs_neither_opencv_nor_numpy_nor_cryptography_until_a_card_is_verified():
    program = (
        "import sys; from datetime import date; from drivers.codes.payloads import understood, Rules;"
        "understood(b'x', '', Rules(), date.today());"
        "heavy = ('cv2', 'numpy', 'cryptography', 'httpx', 'pydantic');"
        "sys.exit(', '.join(m for m in heavy if m in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


SITE = """
[site]
id = "markt"
name = "Praxis"
timezone = "Europe/Berlin"
roles = ["station"]
[store]
key_file = "/etc/kioskd/store.key"
[mqtt]
password_file = "/etc/kioskd/mqtt.password"
site_key_file = "/etc/kioskd/site.key"
[codes]
health_link_hosts = ["cards.insurer.example"]
[[number]]
name = "member-id"
pattern = "[A-Z]{3}[0-9]{9}"
system = "https://insurer.example/member"
check = "luhn"
"""


def test_the_site_file_says_which_codes_are_taken():
    rules = code_rules(config.parse(SITE, "site.toml"), "site.toml", SITE)
    [number] = rules.numbers
    assert (number.name, number.check, number.is_shared_by_family) == ("member-id", CheckDigit.LUHN, False)
    assert rules.link_hosts == {"cards.insurer.example"}
    assert rules.trusted == {}


def test_a_pattern_that_is_refused_is_named_with_its_line():
    wrong = SITE.replace("[0-9]{9}", "(a+)+")
    with pytest.raises(ConfigError, match=r"^site\.toml:16: number\.0\.pattern: expected characters"):
        code_rules(config.parse(wrong, "site.toml"), "site.toml", wrong)


@pytest.mark.parametrize(
    "host", ["https://insurer.example", "Insurer.example", "insurer.example/x", "insurer.example:443", ""]
)
def test_a_host_that_is_none_is_refused(host: str):
    with pytest.raises(ConfigError, match="health_link_hosts"):
        config.parse(SITE.replace("cards.insurer.example", host), "site.toml")
