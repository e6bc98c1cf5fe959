"""SMART Health Cards: believed by pinned keys alone, opened within bounds, and the insurance card that is in them."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from drivers.codes.payloads import NotUsable, Rules, bounded, carin, read_keys, samples, shc, trust_list, understood
from kioskd.core.identity import Card, Reason
from kioskd.core.patient import Identifier, PartialDate, Sex
from kioskd.core.payload import CardPayload, CodeKind, Unusable
from kioskd.errors import ConfigError
from tests.drivers.codes.issuers import KEY, OTHER_KEY, TODAY, TRUSTED, trust_in

CARD = Card(
    kind="smart-health-card",
    identifier=Identifier("https://insurer.example/member", "102345672-02"),
    family="Sample",
    given="Michael John",
    birth_date=date(1986, 6, 6),
    sex=Sex.MALE,
    insurer_name="Acme Insurance Co",
    insurer_id="45002",
    valid_until=date(2034, 12, 31),
)

# A card and the key of the framework's own examples (smart-on-fhir/health-cards, CC BY 4.0): signed by neither us nor
# a library that is used here. It tells of vaccinations, so that it is verified, opened, and then of no use.
EXAMPLE_ISSUER = "https://spec.smarthealth.cards/examples/issuer"
EXAMPLE_KEY = {
    "kty": "EC",
    "kid": "3Kfdg-XwP-7gXyywtUfUADwBumDOPKMQx-iELL11W9s",
    "use": "sig",
    "alg": "ES256",
    "crv": "P-256",
    "x": "11XvRWy1I2S0EyJlyf_bWfw_TQ5CJJNLw78bHXNxcgw",
    "y": "eZXwxvO1hvCY0KucrPfKo7yAyMT6Ajc3N7OkAB6VYy8",
}
EXAMPLE = (
    "eyJ6aXAiOiJERUYiLCJhbGciOiJFUzI1NiIsImtpZCI6IjNLZmRnLVh3UC03Z1h5eXd0VWZVQUR3QnVtRE9QS01ReC1pRUxMMTFXOXMifQ."
    "3ZJLb9swEIT_SrC9ypKo1nGtW50CfRyKAk1zKXygqbXFgg-BpIS4gf57d2kHbYMkp5yq24rDjzND3oGOEVroUxpiW1VxQFVGK0PqUZrUl0qGLlZ4"
    "K-1gMFakHjFAAW63h1Zcvn4rlsvmUpTNsilgUtDeQToOCO2PP8yHuFenYcEDoZ7WaWtHp3_JpL17Vqj8pDuxhm0BKmCHLmlpvo27n6gSW9r3Otxg"
    "iMxp4U1Zl4J4_Hczus4gawJGPwaF19k-nBeKcxxQ3hiinZzQAeFIGYk8GvM9GBLc729rEtwPj4C_Uhzazx1KiyeItNoQD9450oSYzzjoCR33-Nn3"
    "PG9K2M4UcKcp_HuZmCXWS7GoxaKpYZ6LR92I5918-rfimGQaY47LF56QL2iSSmmHV77LBOU77Q7ZeDzGhPb8fuhmerMqfThU3GwVdVep6ZYAKu-E"
    "pl7BvJ0LGM4VZDt7DOjY298NksgrNYa8xGGvtT0hmhy45lhU1d4HS--RvUiVfGBkp-NgZK5zc3XxAR0GaS4--jjoJA0VRSUan76Mdsdboc6feLLB"
    "5r9ssFm_dIMrXpjp-w0"
    ".pI1qZajP6_D8PpWSTpEBijcbWW25N3qWTRnsccaS-i9pJ8devQShJwxFvU1E7ojgw0-PPV83OCHyQ9qu39tp7w"
)


def text(bundle: dict[str, Any] | None = None, **claims: object) -> str:
    return samples.in_digits(samples.health_card(bundle or samples.insurance_bundle(), KEY, **claims))


def bundle_with(change: Callable[[list[dict[str, Any]]], object]) -> dict[str, Any]:
    """The sample's bundle with its three resources changed: coverage, patient, organization."""
    bundle = samples.insurance_bundle()
    change([entry["resource"] for entry in bundle["entry"]])
    return bundle


def test_an_insurance_card_is_read():
    assert shc.card(text(), TRUSTED) == CARD
    assert understood(text().encode(), "]Q1", Rules(trusted=TRUSTED), TODAY) == CardPayload(CARD)
    assert CARD.suffices_for_billing is False


def test_a_card_that_we_did_not_make_is_verified_and_opened():
    trusted = read_keys([("spec.json", json.dumps({"iss": EXAMPLE_ISSUER, "keys": [EXAMPLE_KEY]}).encode())])
    with pytest.raises(NotUsable, match="no coverage") as refusal:
        shc.card(samples.in_digits(EXAMPLE), trusted)
    assert refusal.value.reason is Reason.CODE_NOT_FOR_US
    changed = EXAMPLE.replace("3ZJLb9sw", "3ZJLb9sx")
    with pytest.raises(NotUsable, match="changed or is forged"):
        shc.card(samples.in_digits(changed), trusted)


def test_the_digits_are_those_of_the_framework():
    """``eyJ``: 101, 121 and 74 less 45."""
    assert shc.jws("shc:/567629") == "eyJ"
    assert samples.in_digits("eyJ") == "shc:/567629"


def test_an_issuer_who_is_not_on_the_list_is_not_believed():
    for trusted in ({}, trust_in(OTHER_KEY)):
        with pytest.raises(NotUsable, match="not on the site's list") as refusal:
            shc.card(text(), trusted)
        assert refusal.value.reason is Reason.CODE_UNTRUSTED
    said = understood(text().encode(), "]Q1", Rules(), TODAY)
    assert isinstance(said, Unusable)
    assert (said.kind, said.reason) == (CodeKind.HEALTH_CARD, Reason.CODE_UNTRUSTED)
    assert not any(word in repr(said) for word in ("Sample", "1023", "1986"))


def test_a_key_that_signs_in_the_name_of_another_issuer_is_not_believed():
    with pytest.raises(NotUsable, match="another issuer"):
        shc.card(text(), trust_in(KEY, "https://other.example"))


def test_a_signature_by_another_key_under_a_trusted_id_is_forged():
    kid = samples.issuer_keys(KEY)["keys"][0]["kid"]
    packed = samples.deflated(b"{}")
    forged = samples.signed({"zip": "DEF", "alg": "ES256", "kid": kid}, packed, OTHER_KEY)
    with pytest.raises(NotUsable, match="forged"):
        shc.card_of_jws(forged, TRUSTED)


@pytest.mark.parametrize(
    "header",
    [{"alg": "none"}, {"alg": "HS256"}, {"alg": "ES384"}, {"zip": "GZ"}, {"zip": None}, {"kid": 7}, {"kid": ["a"]}],
)
def test_another_way_of_signing_or_packing_is_refused(header: dict[str, Any]):
    kid = samples.issuer_keys(KEY)["keys"][0]["kid"]
    content = samples.deflated(json.dumps({"iss": samples.ISSUER}).encode())
    whole = samples.signed({"zip": "DEF", "alg": "ES256", "kid": kid} | header, content, KEY)
    with pytest.raises(NotUsable):
        shc.card_of_jws(whole, TRUSTED)


@pytest.mark.parametrize("signature", ["", "AA", "A" * 86, "A" * 87, "_" * 86, "=" * 86, "ü" * 86])
def test_a_signature_of_any_other_form_is_refused(signature: str):
    head, body, _ = samples.health_card(samples.insurance_bundle(), KEY).split(".")
    with pytest.raises(NotUsable):
        shc.card_of_jws(f"{head}.{body}.{signature}", TRUSTED)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("shc:/", "pairs"),
        ("shc:/5", "pairs"),
        ("shc:/56x7", "pairs"),
        ("shc:/٥٦", "pairs"),
        ("shc:/99", "stands for nothing"),
        ("shc:/1/3/5676", "several codes"),
        ("shc:/2/3/" + "56" * 500, "several codes"),
        ("shc:/" + "56" * 9000, "longer"),
        ("shc:/" + "01" * 50, "three parts"),
    ],
)
def test_digits_that_are_no_card_are_refused_with_the_reason(said: str, why: str):
    with pytest.raises(NotUsable, match=why):
        shc.card(said, TRUSTED)


def test_a_bomb_is_not_opened_even_when_its_issuer_is_trusted():
    kid = samples.issuer_keys(KEY)["keys"][0]["kid"]
    bomb = samples.deflated(b" " * 9_000_000)
    whole = samples.signed({"zip": "DEF", "alg": "ES256", "kid": kid}, bomb, KEY)
    assert len(whole) < shc.MOST_CHARACTERS, "it would fit"
    tracemalloc.start()
    try:
        with pytest.raises(NotUsable, match="more than 262144 bytes"):
            shc.card_of_jws(whole, TRUSTED)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "cut short"),
        (b"\xff\xff", "not DEFLATE"),
        (samples.deflated(b"{}")[:-1], "cut short"),
        (samples.deflated(b"{}") + b"x", "behind it"),
    ],
)
def test_what_is_not_packed_whole_is_refused(raw: bytes, why: str):
    with pytest.raises(NotUsable, match=why):
        bounded.inflated(raw, "it")


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"1", b"[" * 100_000, b"\xff\xfe", b'{"a":1' + b"0" * 5000 + b"}", b'{"a":}']
)
def test_json_that_is_no_object_or_that_python_can_not_hold_is_refused(raw: bytes):
    with pytest.raises(NotUsable, match="JSON"):
        bounded.json_object(raw, "it")


def test_the_card_ends_with_the_coverage_or_with_its_own_end_whichever_is_first():
    day = int(datetime(2027, 3, 4, 12, tzinfo=UTC).timestamp())
    assert shc.card(text(exp=day), TRUSTED).valid_until == date(2027, 3, 4)
    assert shc.card(text(exp=day + 0.5), TRUSTED).valid_until == date(2027, 3, 4)
    assert shc.card(text(exp=4102444800), TRUSTED).valid_until == date(2034, 12, 31)
    open_ended = bundle_with(lambda r: r[0]["period"].pop("end"))
    assert shc.card(text(open_ended), TRUSTED).valid_until is None
    assert shc.card(text(open_ended, exp=day), TRUSTED).valid_until == date(2027, 3, 4)
    for wrong in ("soon", True, 10**30, -(10**30), float("inf"), float("nan")):
        with pytest.raises(NotUsable, match="no time"):
            shc.card(text(exp=wrong), TRUSTED)


@pytest.mark.parametrize(("end", "day"), [("2027", "2027-12-31"), ("2028-02", "2028-02-29"), ("2027-12", "2027-12-31"),
                                          ("2027-05-06T10:00:00Z", "2027-05-06")])  # fmt: skip
def test_a_coverage_that_ends_in_a_month_or_year_ends_on_its_last_day(end: str, day: str):
    bundle = bundle_with(lambda r: r[0]["period"].update(end=end))
    assert carin.card(bundle).valid_until == date.fromisoformat(day)


def test_the_member_number_is_the_members_own_where_there_is_one():
    subscriber = carin.card(bundle_with(lambda r: r[0].pop("identifier")))
    assert subscriber.identifier == Identifier("urn:kioskd:member:45002", "102345672-01")
    assert (subscriber.is_shared_by_family, CARD.is_shared_by_family) == (True, False)
    untyped = carin.card(bundle_with(lambda r: (r[0].pop("subscriberId"), r[0]["identifier"][0].pop("type"))))
    assert (untyped.identifier.value, untyped.is_shared_by_family) == ("102345672-02", True)


def test_people_and_payers_are_found_however_they_are_referred_to():
    def by_id(r: list[dict[str, Any]]) -> None:
        r[1]["id"], r[2]["id"] = "p1", "o1"
        r[0]["beneficiary"]["reference"], r[0]["payor"][0]["reference"] = "Patient/p1", "Organization/o1"

    def contained(r: list[dict[str, Any]]) -> None:
        r[0]["contained"] = [{**r[2], "id": "payer"}]
        r[0]["payor"] = [{"reference": "#payer"}]

    assert carin.card(bundle_with(by_id)) == CARD
    assert carin.card(bundle_with(contained)) == CARD
    named = carin.card(bundle_with(lambda r: r[0].update(payor=[{"display": "Acme", "identifier": {"value": "9"}}])))
    assert (named.insurer_name, named.insurer_id) == ("Acme", "9")


def test_names_and_birth_dates_are_taken_as_they_are_said():
    whole = carin.card(bundle_with(lambda r: r[1].update(name=[{"text": "Michael John Sample"}])))
    assert (whole.family, whole.given, whole.undivided_name) == ("", "", "Michael John Sample")
    names = [
        {"use": "old", "family": "Before"},
        {"family": "Nick"},
        {"use": "official", "family": "Sample", "given": ["M"]},
    ]
    assert carin.card(bundle_with(lambda r: r[1].update(name=names))).family == "Sample"
    partial = carin.card(samples.insurance_bundle(birth_date="1986-06"))
    assert (partial.birth_date, partial.partial_birth_date) == (None, PartialDate(1986, 6))
    assert carin.card(bundle_with(lambda r: r[1].pop("gender"))).sex is Sex.UNKNOWN


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda r: r[0].update(status="cancelled"), "not in force"),
        (lambda r: r[0].update(resourceType="Immunization"), "no coverage"),
        (lambda r: r[2].update(r[0]), "several"),
        (lambda r: r[0].update(beneficiary={"reference": "resource:2"}), "whom"),
        (lambda r: r[0].update(beneficiary={"reference": "https://elsewhere.example/Patient/1"}), "whom"),
        (lambda r: r[0].update(beneficiary=[]), "whom"),
        (lambda r: (r[0].pop("identifier"), r[0].pop("subscriberId")), "number"),
        (lambda r: r[1].pop("name"), "name"),
        (lambda r: r[1].update(name=[{"family": 7}]), "name"),
        (lambda r: r[1].update(name=[{"family": "x" * 201}]), "too long"),
        (lambda r: r[1].update(name=[{"family": "a\x00b"}]), "control"),
        (lambda r: r[1].update(name=[{"family": "\ud800"}]), "control"),
        (lambda r: r[1].update(birthDate="yesterday"), "birth date"),
        (lambda r: r[1].update(birthDate=19860606), "birth date"),
        (lambda r: r[0]["period"].update(end="never"), "end"),
    ],
)
def test_a_card_that_leaves_room_for_a_guess_is_refused(change: Callable[[list[dict[str, Any]]], object], why: str):
    with pytest.raises(NotUsable, match=why):
        carin.card(bundle_with(change))


def test_keys_are_read_from_a_folder_of_files(tmp_path: Path):
    (tmp_path / "insurer.json").write_text(json.dumps(samples.issuer_keys(KEY)))
    (tmp_path / "other.json").write_text(json.dumps(samples.issuer_keys(OTHER_KEY, "https://other.example")))
    (tmp_path / "notes.txt").write_text("not a key")
    assert trust_list(tmp_path) == {**TRUSTED, **trust_in(OTHER_KEY, "https://other.example")}
    with pytest.raises(ConfigError, match=r"missing: the keys of trusted issuers can't be read"):
        trust_list(tmp_path / "missing")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: d.pop("iss"), 'expected "iss"'),
        (lambda d: d.update(iss="http://insurer.example"), 'expected "iss"'),
        (lambda d: d.update(iss="https://insurer.example/"), 'expected "iss"'),
        (lambda d: d.pop("keys"), 'expected "keys"'),
        (lambda d: d.update(keys=[]), "at least one"),
        (lambda d: d["keys"][0].update(kty="RSA"), "at least one"),
        (lambda d: d["keys"][0].update(kid="mistyped"), "not its thumbprint"),
        (lambda d: d["keys"][0].pop("x"), "expected x and y"),
        (lambda d: d["keys"][0].update(x="AAAA"), "32 bytes"),
        (lambda d: d["keys"][0].update(y="*"), "base64url"),
    ],
)
def test_a_file_of_keys_that_is_wrong_is_named_with_the_reason(change: Callable[[dict[str, Any]], object], why: str):
    document = samples.issuer_keys(KEY)
    change(document)
    with pytest.raises(ConfigError, match=why) as refusal:
        read_keys([("/etc/kioskd/issuers/insurer.json", json.dumps(document).encode())])
    assert str(refusal.value).startswith("/etc/kioskd/issuers/insurer.json: ")


def test_one_key_of_two_issuers_is_refused():
    files = [(name, json.dumps(samples.issuer_keys(KEY, f"https://{name}.example")).encode()) for name in ("a", "b")]
    with pytest.raises(ConfigError, match="each key has one issuer"):
        read_keys(files)
