"""SMART Health Links: taken from hosts that the site names and from nobody else, and opened by their key."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from drivers.codes.payloads import NotUsable, Rules, samples, shlink, understood
from kioskd.core.identity import Reason
from kioskd.core.payload import CodeKind, LinkPayload, Stranger, Unusable
from tests.drivers.codes.issuers import TODAY

HOST = "cards.insurer.example"
ADDRESS = f"https://{HOST}/manifest/I91rhba3VsuGXGchcnr6VHlQFKxfE28kuZ0ssbEuxno"
KEY = bytes(range(32))
RULES = Rules(link_hosts=frozenset({HOST}))


def link(viewer: str = "", **changed: object) -> str:
    content: dict[str, Any] = {"url": ADDRESS, "key": samples.base64url(KEY), "flag": "L", "label": "Card"}
    kept = {name: value for name, value in (content | changed).items() if value is not None}
    return f"{viewer}shlink:/{samples.base64url(json.dumps(kept, separators=(',', ':')).encode())}"


def test_a_link_to_a_host_on_the_list_is_taken_and_not_fetched():
    expected = LinkPayload(HOST, ADDRESS, KEY)
    for viewer in ("", "https://viewer.example/view#", "https://viewer.example#"):
        assert understood(link(viewer).encode(), "]Q1", RULES, TODAY) == expected
    assert understood(link(flag=None, v=1).encode(), "]Q1", RULES, TODAY) == expected
    assert understood(link(flag="LU").encode(), "]Q1", RULES, TODAY) == LinkPayload(HOST, ADDRESS, KEY, is_direct=True)


def test_its_address_and_key_are_in_no_repr():
    said = repr(understood(link().encode(), "]Q1", RULES, TODAY))
    assert HOST in said
    assert "I91rhba" not in said
    assert "x01" not in said


def test_without_a_list_every_link_is_a_stranger():
    assert understood(link().encode(), "]Q1", Rules(), TODAY) == Stranger(CodeKind.HEALTH_LINK)


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/x",
        f"https://{HOST}.evil.example/x",
        f"https://evil.example/{HOST}",
        f"https://evil.example#{HOST}",
        f"https://evil.example?{HOST}",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https:///x",
    ],
)
def test_a_link_elsewhere_is_not_taken(address: str):
    said = understood(link(url=address).encode(), "]Q1", RULES, TODAY)
    assert isinstance(said, Unusable)
    assert (said.kind, said.reason) == (CodeKind.HEALTH_LINK, Reason.CODE_UNTRUSTED)


@pytest.mark.parametrize(
    "changed",
    [
        {"url": f"http://{HOST}/x"},
        {"url": f"https://user@{HOST}/x"},
        {"url": f"https://{HOST}@evil.example/x"},
        {"url": f"https://{HOST}:8443/x"},
        {"url": f"https://{HOST}:x/x"},
        {"url": f"https://{HOST}/" + "x" * 128},
        {"url": f"https://{HOST}/ x"},
        {"url": f"https://{HOST}/\n"},
        {"url": f"https://evil.example\\@{HOST}/"},
        {"url": "https://[::1"},
        {"url": None},
        {"url": 7},
        {"key": None},
        {"key": "AAAA"},
        {"key": "!" * 43},
        {"flag": "LP"},
        {"flag": 1},
        {"v": 2},
    ],
)
def test_a_link_that_is_not_laid_out_so_is_not_taken(changed: dict[str, object]):
    assert isinstance(understood(link(**changed).encode(), "]Q1", RULES, TODAY), Unusable)


@pytest.mark.parametrize(
    "text", ["shlink:/", "shlink:/%", "shlink:/AAAA", "shlink:/" + "A" * 5000, "https://v.example#shlink:/*"]
)
def test_what_only_begins_like_a_link_is_not_taken(text: str):
    assert isinstance(understood(text.encode(), "]Q1", RULES, TODAY), Unusable)


def encrypted(plain: bytes, key: bytes = KEY, **header: object) -> str:
    head = samples.base64url(json.dumps({"alg": "dir", "enc": "A256GCM"} | header).encode())
    nonce = os.urandom(12)
    sealed = AESGCM(key).encrypt(nonce, plain, head.encode())
    return ".".join([head, "", *map(samples.base64url, (nonce, sealed[:-16], sealed[-16:]))])


def test_a_file_behind_a_link_is_opened_by_its_key():
    plain = b'{"verifiableCredential":["..."]}'
    assert shlink.opened(encrypted(plain), KEY) == plain
    assert shlink.opened(encrypted(samples.deflated(plain), zip="DEF"), KEY) == plain


def test_a_file_of_another_key_or_form_is_not():
    whole = encrypted(b"{}")
    head, _, nonce, text, tag = whole.split(".")
    wrong = [
        encrypted(b"{}", os.urandom(32)),
        encrypted(b"{}", enc="A128GCM"),
        encrypted(b"{}", alg="RSA-OAEP"),
        encrypted(b"{}", crit=["exp"]),
        encrypted(b"{}", zip="DEF"),
        encrypted(samples.deflated(b" " * 9_000_000), zip="DEF"),
        f"{head}.AAAA.{nonce}.{text}.{tag}",
        f"{head}..{nonce[:-4]}.{text}.{tag}",
        f"{head}..{nonce}.{text}.{tag[:-4]}",
        f"{head}..{nonce}.{text}",
        "",
        "....",
    ]
    for file in wrong:
        with pytest.raises(NotUsable):
            shlink.opened(file, KEY)
