"""uvicorn inside the daemon, on real sockets."""

import asyncio
import logging
import re
import signal
import socket
import time
from contextlib import AsyncExitStack

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from kioskd.errors import RuleViolation, StartRefused
from kioskd.news import News
from kioskd.web import live
from kioskd.web.security import LOOPBACK_HOSTS
from kioskd.web.server import STOP_WITHIN_S, application, serve


def _error_page(request: Request, status: int, reference: str) -> Response:
    return PlainTextResponse(f"page for {status} [{reference}]", status)


def _app(*routes: Route) -> ASGIApp:
    return application(routes, error_page=_error_page, hosts=LOOPBACK_HOSTS)


async def _hello(request: Request) -> Response:
    return PlainTextResponse("hello")


async def test_port_0_is_a_real_port_and_answers_at_once():
    async with serve(_app(Route("/", _hello)), "127.0.0.1", 0) as address, httpx.AsyncClient() as client:
        assert address.port > 0
        assert address.url == f"http://127.0.0.1:{address.port}"
        answer = await client.get(address.url)
        assert answer.text == "hello"
        assert "server" not in answer.headers


async def test_after_the_end_nobody_listens():
    async with serve(_app(Route("/", _hello)), "127.0.0.1", 0) as address:
        pass
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(address.host, address.port)


async def test_a_taken_port_refuses_the_start_and_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartRefused, match=rf"127\.0\.0\.1:{port}: Address already in use; .*site file"):
            async with serve(_app(), "127.0.0.1", port):
                pass


async def test_an_address_of_another_machine_refuses_the_start():
    with pytest.raises(StartRefused, match=r"192\.0\.2\.1:0: "):
        async with serve(_app(), "192.0.2.1", 0):
            pass


async def test_the_signals_of_the_process_stay_as_they_were():
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    async with serve(_app(Route("/", _hello)), "127.0.0.1", 0):
        assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


async def test_open_live_streams_end_with_the_news_and_the_server_stops_quickly():
    news = News()

    async def stream(request: Request) -> Response:
        return live.events(news, lambda event: True, lambda: "now")

    async with httpx.AsyncClient() as client, AsyncExitStack() as streams:
        async with serve(_app(Route("/live", stream)), "127.0.0.1", 0) as address:
            for _ in range(3):
                answer = await streams.enter_async_context(client.stream("GET", f"{address.url}/live"))
                assert await anext(answer.aiter_text()) == "data: now\n\n"
            news.end()
            began = time.monotonic()
        assert time.monotonic() - began < STOP_WITHIN_S


async def test_a_stream_that_does_not_end_is_cut_off_within_the_bound():
    has_begun = asyncio.Event()

    async def hang(request: Request) -> Response:
        has_begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with httpx.AsyncClient(timeout=20) as client:
        async with serve(_app(Route("/", hang)), "127.0.0.1", 0) as address:
            asking = asyncio.create_task(client.get(address.url))
            await has_begun.wait()
            began = time.monotonic()
        assert STOP_WITHIN_S - 0.5 < time.monotonic() - began < STOP_WITHIN_S + 20
        with pytest.raises(httpx.HTTPError):
            (await asking).raise_for_status()


async def test_a_failing_page_shows_a_reference_and_the_log_has_it_without_what_was_typed(
    caplog: pytest.LogCaptureFixture,
):
    async def fail(request: Request) -> Response:
        return PlainTextResponse(str(int("Johanna Weißenfels")))

    async with serve(_app(Route("/fail", fail)), "127.0.0.1", 0) as address, httpx.AsyncClient() as client:
        answer = await client.get(f"{address.url}/fail?name=Johanna")
    assert answer.status_code == 500
    found = re.fullmatch(r"page for 500 \[([0-9a-f]{8})\]", answer.text)
    assert found
    assert answer.headers["content-security-policy"]
    [record] = caplog.records
    assert (record.levelno, record.name) == (logging.ERROR, "kioskd.web.server")
    assert found[1] in record.getMessage()
    assert re.search(r"ValueError at test_server\.py:\d+ fail", record.getMessage())
    assert "Johanna" not in caplog.text


async def test_an_error_of_ours_is_logged_with_its_text(caplog: pytest.LogCaptureFixture):
    async def fail(request: Request) -> Response:
        raise RuleViolation("not-called", "only a called ticket can be finished")

    async with serve(_app(Route("/fail", fail)), "127.0.0.1", 0) as address, httpx.AsyncClient() as client:
        assert (await client.get(f"{address.url}/fail")).status_code == 500
    assert "RuleViolation (only a called ticket can be finished)" in caplog.text


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/gone", 410)])
async def test_other_errors_get_the_audiences_page_and_no_log(caplog: pytest.LogCaptureFixture, path: str, status: int):
    async def gone(request: Request) -> Response:
        raise HTTPException(410)

    async with serve(_app(Route("/gone", gone)), "127.0.0.1", 0) as address, httpx.AsyncClient() as client:
        answer = await client.get(address.url + path)
    assert (answer.status_code, answer.text) == (status, f"page for {status} []")
    assert caplog.records == []
