"""Cards behind SMART Health Links, over real sockets: only hosts on the list, within bounds of time and size."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from drivers.codes import links
from drivers.codes.payloads import Rules, carin, samples
from kioskd.core.identity import Reason
from kioskd.core.payload import CardPayload, CodeKind, LinkPayload, Payload, Unusable
from tests.drivers.codes.issuers import KEY, TODAY, TRUSTED
from tests.drivers.codes.test_health_links import encrypted

HOST = "cards.insurer.example"
SECRET = "I91rhba3VsuGXGchcnr6VHlQFKxfE28kuZ0ssbEuxno"
ADDRESS = f"https://{HOST}/{SECRET}"
LINK = LinkPayload(HOST, ADDRESS, bytes(range(32)))
DIRECT = replace(LINK, is_direct=True)
RULES = Rules(trusted=TRUSTED, link_hosts=frozenset({HOST}))
SIGNED = json.dumps({"verifiableCredential": [samples.health_card(samples.insurance_bundle(), KEY)]}).encode()
PLAIN = json.dumps(samples.insurance_bundle()).encode()
CARD = carin.card(samples.insurance_bundle())


@dataclass
class Host:
    """What stands behind the host's name here. ``answers``: by path, a status and a body, or a body that drips."""

    port: int
    answers: dict[str, tuple[int, bytes]]
    asked: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    drips: bool = False

    def follow(self, link: LinkPayload, rules: Rules = RULES, within_s: float = 20.0) -> Payload:
        return links.follow(link, rules, TODAY, "Praxis am Markt", within_s=within_s, transport=ToHere(self.port))


class ToHere(httpx.BaseTransport):
    """Takes requests for https hosts to a port of this machine, and says which host was meant."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._wire = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        return self._wire.handle_request(request)

    def close(self) -> None:
        self._wire.close()


@contextmanager
def host(answers: dict[str, tuple[int, bytes]]) -> Iterator[Host]:
    stopping = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            self.answer()

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            here.asked.append((self.command, self.headers["host"], self.path, body))
            status, content = here.answers.get(self.path.partition("?")[0].removeprefix("/"), (404, b""))
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", f"https://{HOST}/elsewhere")
            self.end_headers()
            for place in range(0, len(content), 1 if here.drips else 1 << 16):
                if here.drips and stopping.wait(0.02):
                    return
                try:
                    self.wfile.write(content[place : place + (1 if here.drips else 1 << 16)])
                except OSError:
                    return

        def log_message(self, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Host(server.server_address[1], answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield here
    finally:
        stopping.set()
        server.shutdown()
        thread.join(10)
        server.server_close()


def listed(*files: dict[str, Any]) -> tuple[int, bytes]:
    return 200, json.dumps({"files": files}).encode()


def test_a_signed_card_is_fetched_from_the_list_behind_a_link():
    file = {"contentType": "application/smart-health-card", "embedded": encrypted(SIGNED)}
    with host({SECRET: listed({"contentType": "application/smart-api-access"}, file)}) as here:
        assert here.follow(LINK) == CardPayload(CARD)
    [(method, name, path, body)] = here.asked
    assert (method, name, path) == ("POST", HOST, f"/{SECRET}")
    assert json.loads(body) == {"recipient": "Praxis am Markt", "embeddedLengthMax": 262144}


def test_a_plain_card_of_an_insurer_on_the_list_is_taken_and_called_otherwise():
    file = {"contentType": "application/fhir+json", "location": f"https://{HOST}/file?sig=1"}
    with host({SECRET: listed(file), "file": (200, encrypted(PLAIN).encode() + b"\n")}) as here:
        assert here.follow(LINK) == CardPayload(replace(CARD, kind="smart-health-link"))
    assert [asked[2] for asked in here.asked] == [f"/{SECRET}", "/file?sig=1"]


def test_a_single_file_is_fetched_without_a_list():
    with host({SECRET: (200, encrypted(SIGNED).encode())}) as here:
        assert here.follow(DIRECT) == CardPayload(CARD)
    assert here.asked == [("GET", HOST, f"/{SECRET}?recipient=Praxis%20am%20Markt", b"")]


def test_a_file_elsewhere_is_not_asked_for():
    elsewhere = {"contentType": "application/smart-health-card", "location": "https://evil.example/file"}
    with host({SECRET: listed(elsewhere), "file": (200, encrypted(SIGNED).encode())}) as here:
        said = here.follow(LINK)
    assert said == Unusable(CodeKind.HEALTH_LINK, Reason.CODE_UNTRUSTED, "the link's host is not on the site's list")
    assert len(here.asked) == 1


def test_a_card_of_an_issuer_who_is_not_on_the_list_is_not_believed_behind_a_link_either():
    with host({SECRET: (200, encrypted(SIGNED).encode())}) as here:
        said = here.follow(DIRECT, Rules(link_hosts=RULES.link_hosts))
    assert isinstance(said, Unusable)
    assert said.reason is Reason.CODE_UNTRUSTED


def test_a_card_whose_last_day_is_over_is_told_so():
    bundle = samples.insurance_bundle()
    bundle["entry"][0]["resource"]["period"]["end"] = "2026-11-22"
    with host({SECRET: (200, encrypted(json.dumps(bundle).encode()).encode())}) as here:
        assert here.follow(DIRECT) == Unusable(CodeKind.HEALTH_LINK, Reason.CARD_EXPIRED, "its last day is over")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((404, b""), "answered 404"),
        ((302, b""), "answered 302"),
        ((500, b""), "answered 500"),
        ((200, b""), "not JSON"),
        ((200, b"[]"), "not a JSON object"),
        ((200, b"{}"), "no card"),
        ((200, b'{"files":[1,{},{"contentType":"application/fhir+json"}]}'), "no card"),
        ((200, b'{"files":[{"contentType":[],"embedded":"x"}]}'), "no card"),
        ((200, b" " * 600_000), "more than 524288"),
        (listed({"contentType": "application/fhir+json", "embedded": "x"}), "parts"),
        (listed({"contentType": "application/fhir+json", "embedded": encrypted(b"{}")}), "bundle"),
        (
            listed({"contentType": "application/fhir+json", "embedded": encrypted(b'{"verifiableCredential":[7]}')}),
            "parts",
        ),
    ],
)
def test_an_answer_that_is_no_card_is_told_without_the_address(answer: tuple[int, bytes], why: str):
    with host({SECRET: answer}) as here:
        said = here.follow(LINK)
    assert isinstance(said, Unusable)
    assert why in said.what
    assert SECRET not in repr(said)
    assert len(here.asked) == 1


def test_a_host_that_is_not_there_or_drips_is_given_up():
    gone = LinkPayload(HOST, ADDRESS, LINK.key)
    with host({SECRET: (200, b" " * 4000)}) as here:
        here.drips = True
        said = here.follow(LINK, within_s=0.5)
        assert isinstance(said, Unusable)
        assert "too long" in said.what or "could not be asked" in said.what
    said = here.follow(gone)
    assert said == Unusable(CodeKind.HEALTH_LINK, Reason.CODE_UNUSABLE, "the link's host could not be asked")
