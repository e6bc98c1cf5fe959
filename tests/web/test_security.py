"""What every audience's app refuses before a handler sees it."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from kioskd.web.security import Guard, content_security_policy, host_name


async def _hello(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} done")


async def _kept(request: Request) -> Response:
    return PlainTextResponse("kept", headers={"cache-control": "public, max-age=60"})


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]
    app = Guard(
        Starlette(
            routes=[Route("/", _hello, methods=methods), Route("/in", _hello, methods=methods), Route("/kept", _kept)]
        ),
        hosts=["desk.example", "127.0.0.1"],
        trusted={"/in": ["https://login.example"]},
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.example:8080") as made:
        yield made


async def test_every_answer_carries_the_headers(client: httpx.AsyncClient):
    for answer in (await client.get("/"), await client.get("/nowhere"), await client.post("/")):
        assert answer.headers["content-security-policy"] == content_security_policy()
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"


def test_the_policy_allows_nothing_inline_and_nobody_elses():
    policy = content_security_policy()
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'; base-uri 'none'" in policy


def test_the_policy_can_name_a_broker_and_a_frame():
    policy = content_security_policy(["wss://broker.example:9001"], ["http://127.0.0.1:8085"])
    assert "connect-src 'self' wss://broker.example:9001;" in policy
    assert "frame-ancestors http://127.0.0.1:8085;" in policy


async def test_what_may_be_kept_says_so_itself(client: httpx.AsyncClient):
    assert (await client.get("/kept")).headers["cache-control"] == "public, max-age=60"


@pytest.mark.parametrize("host", ["evil.example", "desk.example.evil.example", "10.0.0.7:8080", "", "[::1]:8080"])
async def test_a_foreign_host_name_is_refused(client: httpx.AsyncClient, host: str):
    answer = await client.get("/", headers={"host": host})
    assert answer.status_code == 421
    assert "done" not in answer.text


async def test_two_host_names_are_refused(client: httpx.AsyncClient):
    headers = [("host", "desk.example"), ("host", "evil.example")]
    assert (await client.get("/", headers=headers)).status_code == 421


@pytest.mark.parametrize("host", ["desk.example", "DESK.example:8080", "127.0.0.1:1"])
async def test_our_own_names_are_answered(client: httpx.AsyncClient, host: str):
    assert (await client.get("/", headers={"host": host})).text == "GET done"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH"])
async def test_a_change_is_made_by_post_only(client: httpx.AsyncClient, method: str):
    answer = await client.request(method, "/", headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin"},
        {"origin": "http://desk.example:8080"},
        {"origin": "https://desk.example:8080"},
        {"sec-fetch-site": "same-origin", "origin": "http://desk.example:8080"},
    ],
)
async def test_a_post_from_our_own_page_is_taken(client: httpx.AsyncClient, headers: dict[str, str]):
    assert (await client.post("/", headers=headers)).text == "POST done"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "http://evil.example"},
        {"origin": "http://desk.example"},
        {"origin": "http://desk.example:8081"},
        {"origin": "http://desk.example:8080.evil.example"},
        {"origin": "ftp://desk.example:8080"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://desk.example:8080"},
        {"sec-fetch-site": "none"},
        {"origin": "https://login.example"},
    ],
)
async def test_a_post_from_anywhere_else_is_refused(client: httpx.AsyncClient, headers: dict[str, str]):
    answer = await client.post("/", headers=headers)
    assert answer.status_code == 403
    assert "done" not in answer.text


async def test_a_trusted_origin_may_post_to_its_own_path_only(client: httpx.AsyncClient):
    headers = {"origin": "https://login.example", "sec-fetch-site": "cross-site"}
    assert (await client.post("/in", headers=headers)).text == "POST done"
    assert (await client.post("/", headers=headers)).status_code == 403


def test_a_host_name_is_read_without_its_port():
    assert [host_name(h) for h in ("Desk:80", "desk", "[::1]:80", "[::1]", "")] == [
        "desk",
        "desk",
        "[::1]",
        "[::1]",
        "",
    ]
