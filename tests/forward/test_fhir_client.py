import asyncio
import inspect
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from kioskd.errors import Rejected, Unreachable
from kioskd.forward import FhirClient, Timeouts
from kioskd.forward.answers import Conflict
from kioskd.forward.http import MOST_PAGES, as_forward_error
from tests.faults.chaos_http import HttpChaos, HttpFault
from tests.forward.conftest import NO_TLS, PATIENT, QUICK
from tests.forward.fhir_server import TOKEN, FhirServer, appointment, patient

Server = tuple[FhirServer, HttpChaos]
BUNDLE = {"resourceType": "Bundle", "type": "transaction", "entry": []}


@asynccontextmanager
async def answering(answer: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> AsyncIterator[str]:
    """A server that reads a request's head and then does what the test says, byte for byte; its base URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has given up
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/fhir"
    finally:
        server.close()


def client_of(proxy: HttpChaos, token: str = TOKEN, timeouts: Timeouts = PATIENT) -> FhirClient:
    return FhirClient(f"{proxy.url}/fhir/", token, timeouts, NO_TLS)


HTTPX_EXCEPTIONS = sorted(
    {e for _, e in inspect.getmembers(httpx, inspect.isclass) if issubclass(e, Exception)}, key=lambda e: e.__name__
)


@pytest.mark.parametrize("kind", HTTPX_EXCEPTIONS, ids=lambda kind: kind.__name__)
def test_every_exception_of_httpx_is_one_of_ours_and_keeps_the_address_to_itself(kind: type[Exception]) -> None:
    from kioskd.forward.http import _HTTPX_ERRORS

    assert issubclass(kind, _HTTPX_ERRORS)
    error = as_forward_error(_raised(kind), "search Patient")
    assert isinstance(error, Rejected if kind in {httpx.InvalidURL, httpx.UnsupportedProtocol} else Unreachable)
    assert "A123456780" not in str(error)


def _raised(kind: type[Exception]) -> Exception:
    """An exception that quotes an address, as httpx's own do."""
    error = kind.__new__(kind)
    error.args = ("http://127.0.0.1/fhir/Patient?identifier=A123456780",)
    return error


@pytest.mark.parametrize("fault", [f for f in HttpFault if f is not HttpFault.TWICE])
async def test_a_fault_of_a_read_is_tried_again(server: Server, fault: HttpFault) -> None:
    memory, proxy = server
    memory.put(patient("p1"))
    proxy.choose_for = lambda *_: fault
    async with client_of(proxy, timeouts=QUICK) as client:
        with pytest.raises(Unreachable):
            await client.read("Patient", "p1")


async def test_retry_after_reaches_the_caller(server: Server) -> None:
    _, proxy = server
    proxy.choose_for, proxy.retry_after = lambda *_: HttpFault.TOO_MANY, "17"
    async with client_of(proxy) as client:
        with pytest.raises(Unreachable) as caught:
            await client.transaction(BUNDLE)
    assert caught.value.retry_after_s == 17


async def test_a_redirect_is_not_followed_with_our_token(server: Server) -> None:
    _, proxy = server
    proxy.choose_for = lambda method, path, n: HttpFault.MOVED
    async with client_of(proxy) as client:
        with pytest.raises(Unreachable, match="records_url"):
            await client.read("Patient", "p1")
    assert [path for _, path, _ in proxy.seen] == ["/fhir/Patient/p1"]


async def test_a_read_gives_the_resource_with_its_version(server: Server) -> None:
    memory, proxy = server
    memory.put(patient("p1"))
    _, stored = memory.put(patient("p1", gender="other"))
    async with client_of(proxy) as client:
        found = await client.read("Patient", "p1")
        memory.sends_etag = False
        without_header = await client.read("Patient", "p1")
    assert found is not None
    assert (found.resource, found.etag) == (stored, 'W/"2"')
    assert without_header == found


async def test_what_is_not_there_is_none_and_no_error(server: Server) -> None:
    async with client_of(server[1]) as client:
        assert await client.read("Patient", "nobody") is None


@pytest.mark.parametrize("bad_id", ["../Task", "a/b", "", "x" * 65, "a?b", "ä"])
async def test_an_id_that_is_none_never_gets_into_an_address(server: Server, bad_id: str) -> None:
    _, proxy = server
    async with client_of(proxy) as client:
        with pytest.raises(Rejected, match="invalid-id"):
            await client.read("Patient", bad_id)
    assert proxy.seen == []


async def test_a_wrong_token_waits_for_a_person_and_says_where_it_stands(server: Server) -> None:
    async with client_of(server[1], token="wrong") as client:
        with pytest.raises(Unreachable, match=r"HTTP 401, login.*records_token_file"):
            await client.transaction(BUNDLE)


async def test_a_stale_version_is_a_conflict(server: Server) -> None:
    memory, proxy = server
    memory.put(patient("p1"))
    request = {"method": "PUT", "url": "Patient/p1", "ifMatch": 'W/"9"'}
    async with client_of(proxy) as client:
        with pytest.raises(Conflict):
            await client.transaction(BUNDLE | {"entry": [{"resource": patient("p1"), "request": request}]})


async def test_entries_are_read_though_the_answer_is_200(server: Server) -> None:
    _, proxy = server
    request = {"method": "PUT", "url": "Patient/p1"}
    bundle = BUNDLE | {"entry": [{"resource": patient("p1"), "request": request}]}
    proxy.choose_for = lambda *_: HttpFault.ENTRY_REFUSED
    async with client_of(proxy) as client:
        with pytest.raises(Rejected, match=r"transaction entry 0: HTTP 400"):
            await client.transaction(bundle)


async def test_all_pages_of_a_search_are_read(server: Server) -> None:
    memory, proxy = server
    memory.put(patient("p1"))
    for number in range(25):
        memory.put(appointment(f"a{number}", "p1"))
    memory.page_size = 7
    async with client_of(proxy) as client:
        found = await client.search("Appointment", [("_include", "Appointment:patient")])
    assert [r["resourceType"] for r in found].count("Patient") == 1
    assert len({r["id"] for r in found if r["resourceType"] == "Appointment"}) == 25
    assert len(memory.requests) == 4


async def test_pages_without_end_are_given_up(server: Server) -> None:
    memory, proxy = server
    for number in range(MOST_PAGES + 1):
        memory.put(patient(f"p{number}"))
    memory.page_size = 1
    async with client_of(proxy) as client:
        with pytest.raises(Rejected, match="too-many-results"):
            await client.search("Patient", [])
    assert len(memory.requests) == MOST_PAGES + 1


@pytest.mark.parametrize(
    ("link", "refusal"),
    [
        ("http://127.0.0.1:1/fhir?page=2", "foreign-page"),
        ("https://ehr.example/fhir?page=2", "foreign-page"),
        ("http://127.0.0.1:port/", "invalid-url"),
    ],
)
async def test_a_next_page_on_another_server_is_not_followed(link: str, refusal: str) -> None:
    body = f'{{"resourceType": "Bundle", "link": [{{"relation": "next", "url": "{link}"}}]}}'.encode()

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async with answering(answer) as url, FhirClient(url, TOKEN, QUICK, NO_TLS) as client:
        with pytest.raises(Rejected, match=refusal):
            await client.search("Patient", [])


async def test_an_answer_that_drips_for_ever_is_given_up() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\n \r\n")
            await writer.drain()
            await asyncio.sleep(0.05)  # the pace of the server, nothing is waited for

    began = time.monotonic()
    async with answering(drip) as url, FhirClient(url, TOKEN, Timeouts(1, 1, 0.6)) as client:
        with pytest.raises(Unreachable, match=r"no whole answer within 0\.6 s"):
            await client.read("Patient", "p1")
    assert time.monotonic() - began < 20


async def test_an_answer_without_end_is_given_up() -> None:
    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
        while True:
            writer.write(b" " * 1_000_000)
            await writer.drain()

    async with answering(flood) as url, FhirClient(url, TOKEN) as client:
        with pytest.raises(Rejected, match="too-long"):
            await client.read("Patient", "p1")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b'{"resourceType": "Slot"}', b"[" * 100_000, b"\xff\xfe"])
async def test_an_answer_that_is_no_such_resource_is_no_answer(body: bytes) -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    async with answering(answer) as url, FhirClient(url, TOKEN, QUICK, NO_TLS) as client:
        for ask in (client.read("Patient", "p1"), client.search("Patient", []), client.transaction(BUNDLE)):
            with pytest.raises(Unreachable):
                await ask


async def test_nobody_listening_is_unreachable(unused_tcp_port: int) -> None:
    async with FhirClient(f"http://127.0.0.1:{unused_tcp_port}/fhir", TOKEN, QUICK, NO_TLS) as client:
        with pytest.raises(Unreachable, match="read Patient: ConnectError"):
            await client.read("Patient", "p1")


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/fhir", "127.0.0.1:80/fhir", "http://[::1/fhir", "http:///fhir"])
async def test_an_address_that_is_none_is_rejected(address: str) -> None:
    async with FhirClient(address, TOKEN, QUICK, NO_TLS) as client:
        with pytest.raises(Rejected, match="invalid-url"):
            await client.read("Patient", "p1")


async def test_neither_address_nor_token_gets_into_a_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    memory, proxy = server
    memory.put(patient("p1"))
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    try:
        async with client_of(proxy) as client:
            await client.search("Patient", [("identifier", "urn:x|A123456780")])
            proxy.choose_for = lambda *_: HttpFault.RESET
            with pytest.raises(Unreachable) as caught:
                await client.search("Patient", [("identifier", "urn:x|A123456780")])
    finally:
        root.setLevel(before)
    assert "A123456780" in memory.requests[0][1]
    logged = caplog.text + repr(caught.getrepr(style="value"))
    assert not re.search(f"A123456780|{TOKEN}", logged)


async def test_a_proxy_of_the_environment_is_not_used(server: Server, unused_tcp_port: int) -> None:
    memory, proxy = server
    memory.put(patient("p1"))
    program = (
        "import asyncio\nfrom kioskd.forward import FhirClient\n"
        f"async def main():\n    async with FhirClient('{proxy.url}/fhir', '{TOKEN}') as client:\n"
        "        assert await client.read('Patient', 'p1')\nasyncio.run(main())\n"
    )
    away = f"http://127.0.0.1:{unused_tcp_port}"
    environment = os.environ | {"HTTP_PROXY": away, "http_proxy": away, "ALL_PROXY": away, "NO_PROXY": ""}
    run = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", program], env=environment, capture_output=True, timeout=30
    )
    assert run.returncode == 0, run.stderr.decode()
    assert proxy.seen == [("GET", "/fhir/Patient/p1", None)]
