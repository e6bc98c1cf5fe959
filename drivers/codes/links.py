"""The card behind a SMART Health Link, fetched from a host that the site names. Blocking, under one deadline.

Only ``payloads.shlink`` decides which links get here. Every further address that an answer names goes through the same
list, no redirect is followed, and no proxy of the environment is asked. The address opens the card for whoever has
it, so it is in no text and in no log; httpx, which logs every request, is kept quiet.

A SMART Health Card behind a link is verified as any other. An insurance card as plain FHIR (the CARIN guide has no
signature) is believed because its host is on the list: a site names hosts of insurers, not of anybody's uploads.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import quote

import httpx

from drivers.codes.payloads import Rules, carin, shc, shlink
from drivers.codes.payloads.bounded import json_object
from drivers.codes.payloads.refusal import NotUsable
from kioskd.core.identity import Card, Reason, is_expired
from kioskd.core.payload import CardPayload, CodeKind, LinkPayload, Payload, Unusable

for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

WITHIN_S = 4.0
"""For everything: the patient stands there."""
MOST_BYTES = 512 * 1024
"""Of an answer."""
MOST_FILES = 4
KIND = "smart-health-link"
"""Of a card that nobody has signed."""

_TYPES = ("application/smart-health-card", "application/fhir+json")


def follow(
    link: LinkPayload,
    rules: Rules,
    today: date,
    recipient: str,
    *,
    within_s: float = WITHIN_S,
    transport: httpx.BaseTransport | None = None,
) -> Payload:
    """The card behind a link, or why there is none. ``recipient``: who asks, told to the host. Never raises."""
    try:
        with httpx.Client(transport=transport, follow_redirects=False, trust_env=False) as client:
            card = _Visit(client, link, rules, recipient, time.monotonic() + within_s).card()
    except NotUsable as problem:
        return Unusable(CodeKind.HEALTH_LINK, problem.reason, problem.what)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError, OSError, ValueError):
        # Not its text: it holds the address.
        return Unusable(CodeKind.HEALTH_LINK, Reason.CODE_UNUSABLE, "the link's host could not be asked")
    if is_expired(card, today):
        return Unusable(CodeKind.HEALTH_LINK, Reason.CARD_EXPIRED, "its last day is over")
    return CardPayload(card)


class _Visit:
    """One link followed, before ``ends_at`` of the monotonic clock."""

    def __init__(self, client: httpx.Client, link: LinkPayload, rules: Rules, recipient: str, ends_at: float) -> None:
        self._client = client
        self._link = link
        self._rules = rules
        self._recipient = recipient
        self._ends_at = ends_at

    def card(self) -> Card:
        """The first file that is an insurance card. Raises NotUsable, or an error of httpx."""
        why = NotUsable("there is no card behind the link")
        for file in self._files():
            try:
                return self._card_of(shlink.opened(file, self._link.key))
            except NotUsable as problem:
                why = problem
        raise why

    def _files(self) -> Iterator[str]:
        """The encrypted files, as they are asked for."""
        if self._link.is_direct:
            mark = "&" if "?" in self._link.address else "?"
            yield self._ask("GET", f"{self._link.address}{mark}recipient={quote(self._recipient)}").decode("latin-1")
            return
        asked = {"recipient": self._recipient, "embeddedLengthMax": MOST_BYTES // 2}
        manifest = json_object(self._ask("POST", self._link.address, json.dumps(asked).encode()), "the link's list")
        files = manifest.get("files")
        of_use = [f for f in files if isinstance(f, dict)] if isinstance(files, list) else []
        for file in [f for f in of_use if f.get("contentType") in _TYPES][:MOST_FILES]:
            embedded, location = file.get("embedded"), file.get("location")
            if isinstance(embedded, str):
                yield embedded
            elif isinstance(location, str):
                shlink.host_of(location, self._rules.link_hosts, shlink.LONGEST_LINK)
                yield self._ask("GET", location).decode("latin-1")

    def _ask(self, method: str, address: str, content: bytes | None = None) -> bytes:
        """The body of an answer. Raises NotUsable when it is too long or late, or no success."""
        headers = {"content-type": "application/json"} if content is not None else {}
        left_s = max(0.05, self._ends_at - time.monotonic())
        with self._client.stream(method, address, content=content, headers=headers, timeout=left_s) as answer:
            if answer.status_code != 200:
                raise NotUsable(f"the link's host answered {answer.status_code}: it may be used up or withdrawn")
            body = bytearray()
            for part in answer.iter_bytes():
                body += part
                if len(body) > MOST_BYTES:
                    raise NotUsable(f"the link's host sent more than {MOST_BYTES} bytes")
                if time.monotonic() > self._ends_at:
                    raise NotUsable("the link's host took too long")
        return bytes(body).strip()

    def _card_of(self, plain: bytes) -> Card:
        content = json_object(plain, "the file behind the link")
        if "verifiableCredential" not in content:
            return replace(carin.card(content), kind=KIND)
        signed = content["verifiableCredential"]
        why = NotUsable("there is no card behind the link")
        for jws in signed[:MOST_FILES] if isinstance(signed, list) else []:
            try:
                return shc.card_of_jws(_text(jws), self._rules.trusted)
            except NotUsable as problem:
                why = problem
        raise why


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
