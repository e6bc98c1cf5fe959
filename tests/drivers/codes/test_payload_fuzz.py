"""Anything at all before the camera: every parser ends with an answer of ours, soon and in little memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.codes.payloads import (
    NotUsable,
    NumberRule,
    Rules,
    aamva,
    bounded,
    carin,
    nhs_number,
    samples,
    shc,
    shlink,
    understood,
)
from kioskd.core.payload import Payload, log_words
from tests.drivers.codes.issuers import KEY, TODAY, TRUSTED

CASES = [150, pytest.param(20_000, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
HOST = "cards.insurer.example"
RULES = Rules((nhs_number(), NumberRule("m", "urn:m", r"[A-Z]{0,9}\d{0,9}-?\d")), TRUSTED, frozenset({HOST}))

LICENCE = samples.licence()
JWS = samples.health_card(samples.insurance_bundle(), KEY)
KID = samples.issuer_keys(KEY)["keys"][0]["kid"]
LINK = "shlink:/" + samples.base64url(json.dumps({"url": f"https://{HOST}/x", "key": "A" * 43, "flag": "U"}).encode())
WHOLE = [LICENCE, samples.in_digits(JWS).encode(), LINK.encode(), b"KL1:" + b"A" * 56, b"9434765919", b"BCD\n001\n"]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """A code with bytes changed, left out or put in, in up to four places."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        data[place : place + draw(st.integers(0, 6))] = draw(st.binary(max_size=6))
    return bytes(data)


def is_answer(data: bytes, symbology: str = "") -> None:
    said = understood(data, symbology, RULES, TODAY)
    assert isinstance(said, get_args(Payload))
    assert log_words(said, len(data)).endswith(f"{len(data)} bytes")


def ours(parse: Callable[..., object]) -> None:
    """It is read, or refused by the one exception that there is."""
    with suppress(NotUsable):
        parse()


def head_of(said: Any) -> str:
    return samples.base64url(json.dumps(said).encode())


@pytest.mark.parametrize("cases", CASES)
def test_any_bytes_are_answered(cases: int):
    @settings(max_examples=cases)
    @given(
        st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")),
        st.text(max_size=4),
    )
    def check(data: bytes, symbology: str) -> None:
        is_answer(data, symbology)
        for mark in (b"@\n\x1e\rANSI ", b"shc:/", b"shlink:/", b"KL1:", b"@\n\x1e\rANSI 636000100101DL00310100DL"):
            is_answer(mark + data)

    check()


@pytest.mark.parametrize("cases", CASES)
@pytest.mark.parametrize("whole", WHOLE, ids=["licence", "health card", "link", "letter", "number", "payment"])
def test_a_damaged_code_is_answered(whole: bytes, cases: int):
    @settings(max_examples=cases)
    @given(damaged(whole))
    def check(data: bytes) -> None:
        is_answer(data)

    check()


@pytest.mark.parametrize("cases", CASES)
def test_a_licence_of_any_elements_and_any_places_is_read_or_refused(cases: int):
    names = st.sampled_from(["DAQ", "DCS", "DAC", "DAA", "DCT", "DBB", "DBA", "DDE", "DBC", "ZZZ", "D\n", ""])
    values = st.text(st.characters(max_codepoint=255), max_size=30)

    @settings(max_examples=cases)
    @given(
        st.dictionaries(names, values, max_size=8), st.integers(0, 99), st.text("0123456789", min_size=8, max_size=8)
    )
    def check(elements: dict[str, str], version: int, place: str) -> None:
        data = samples.licence(elements, version=version)
        ours(lambda: aamva.card(data))
        ours(lambda: aamva.card(data[:23] + place.encode() + data[31:]))

    check()


@pytest.mark.parametrize("cases", CASES)
def test_any_signed_content_is_read_or_refused(cases: int):
    @settings(max_examples=cases)
    @given(json_values, st.sampled_from([None, "iss", "vc", "bundle", "entry"]))
    def check(value: Any, place: str | None) -> None:
        bundle: Any = {"resourceType": "Bundle", "entry": value} if place == "entry" else value
        content: Any = {"iss": samples.ISSUER, "vc": {"credentialSubject": {"fhirBundle": bundle}}}
        content = value if place is None else content | ({place: value} if place in content else {})
        packed = samples.deflated(json.dumps(content).encode())
        whole = samples.signed({"zip": "DEF", "alg": "ES256", "kid": KID}, packed, KEY)
        ours(lambda: shc.card_of_jws(whole, TRUSTED))

    check()


@pytest.mark.parametrize("cases", CASES)
def test_an_insurance_card_with_anything_anywhere_is_read_or_refused(cases: int):
    keys = ["identifier", "status", "beneficiary", "payor", "period", "subscriberId", "resourceType", "contained"]
    keys += ["name", "birthDate", "gender", "id"]
    inner = ["type", "system", "value", "use", "family", "given", "text", "reference", "coding", "start", "end"]
    parts = st.dictionaries(st.sampled_from(inner), json_values, max_size=3)

    @settings(max_examples=cases)
    @given(st.integers(0, 2), st.sampled_from(keys), json_values | parts | st.lists(parts, max_size=2))
    def check(number: int, key: str, value: Any) -> None:
        bundle = samples.insurance_bundle()
        bundle["entry"][number]["resource"][key] = value
        ours(lambda: carin.card(bundle))
        bundle["entry"][number] = value
        ours(lambda: carin.card(bundle))

    check()


@pytest.mark.parametrize("cases", CASES)
def test_anything_packed_and_any_file_behind_a_link_is_opened_or_refused(cases: int):
    file = st.lists(st.binary(max_size=40).map(samples.base64url) | st.text(max_size=9), min_size=3, max_size=6).map(
        ".".join
    )

    @settings(max_examples=cases)
    @given(st.binary(max_size=200), file, st.text(max_size=80), json_values)
    def check(raw: bytes, whole: str, text: str, value: Any) -> None:
        for name in ("alg", "enc", "zip", "kid", "crit"):
            strange = {"alg": "dir", "enc": "A256GCM"} | {name: value}
            ours(lambda said=strange: shlink.opened(f"{head_of(said)}..{whole}", bytes(32)))
            strange = {"alg": "ES256", "zip": "DEF", "kid": KID} | {name: value}
            ours(lambda said=strange: shc.card_of_jws(f"{head_of(said)}.AA.{'A' * 86}", TRUSTED))
        for name in ("url", "key", "flag", "v", "exp"):
            strange = {"url": f"https://{HOST}/x", "key": "A" * 43} | {name: value}
            ours(lambda said=strange: shlink.link(f"shlink:/{head_of(said)}", frozenset({HOST})))
        ours(lambda: bounded.inflated(raw, "it"))
        ours(lambda: bounded.json_object(raw, "it"))
        ours(lambda: bounded.base64url(text, "it"))
        ours(lambda: shlink.opened(whole, bytes(32)))
        head = samples.base64url(b'{"alg":"dir","enc":"A256GCM"}')
        ours(lambda: shlink.opened(f"{head}..{whole}", bytes(32)))
        ours(lambda: shc.card_of_jws(whole, TRUSTED))
        ours(lambda: shlink.link(text, frozenset({HOST})))

    check()


@pytest.mark.parametrize(
    "data",
    [
        b"shc:/" + b"56" * 7990,
        b"shlink:/" + b"A" * 15_900,
        LICENCE + b"\nDAQ" * 900,
        b"@\n\x1e\rANSI 6360001002" + b"DL00010001" * 99,
        b"A" * 15_999,
        b"https://" * 1900 + b"#shlink:/A",
        b"[" * 15_999,
    ],
)
def test_the_longest_codes_take_little_memory(data: bytes):
    understood(data, "", RULES, TODAY)  # what is made once
    tracemalloc.start()
    try:
        is_answer(data)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
