"""Whatever is sent, the server answers it, never with a failure of its own (5xx), and keeps what it took."""

import json
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kioskd.records.parameters import PARAMETERS
from tests.records.conftest import Backend
from tests.records.samples import appointment, check_in, encounter, patient

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["2026-11-23", "Patient/p1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
TEXT = st.characters(exclude_categories=["Cs"])
MANY = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [p for key, part in inner for p in [(*path, key), *_places(part, (*path, key))]]


def _spoilt(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    spoilt = json.loads(json.dumps(value))
    inner = spoilt
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return spoilt


def _is_an_answer(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json()["resourceType"] == "OperationOutcome"


@MANY
@given(st.data())
async def test_a_spoilt_resource_is_answered(backend: Backend, data: st.DataObject):
    resource = data.draw(st.sampled_from([patient(), appointment(), encounter()]))
    path = data.draw(st.sampled_from(_places(resource)))
    spoilt = _spoilt(resource, path, data.draw(ANYTHING))
    url = f"/{resource['resourceType']}/{resource['id']}"
    answer = await backend.http.put(url, content=json.dumps(spoilt))
    _is_an_answer(answer)
    if answer.status_code < 300:
        read = (await backend.http.get(url)).json()
        assert {k: v for k, v in read.items() if k != "meta"} == {k: v for k, v in spoilt.items() if k != "meta"}


@MANY
@given(st.data())
async def test_a_spoilt_transaction_is_answered(backend: Backend, data: st.DataObject):
    bundle = check_in(if_match="")
    spoilt = _spoilt(bundle, data.draw(st.sampled_from(_places(bundle))), data.draw(ANYTHING))
    _is_an_answer(await backend.http.post("/", content=json.dumps(spoilt)))


@MANY
@given(st.binary(max_size=200) | ANYTHING.map(lambda v: json.dumps(v).encode()))
async def test_any_body_is_answered(backend: Backend, body: bytes):
    _is_an_answer(await backend.http.post("/", content=body))
    _is_an_answer(await backend.http.put("/Patient/p1", content=body))


NAMES = sorted({n for names in PARAMETERS.values() for n in names} | {"_count", "_include", "_after", "_format"})
VALUES = st.text(max_size=30) | st.sampled_from(
    [
        "2026-11-23",
        "ge9999-12-31",
        "lt0001-01-01",
        "eq9999-12-31T23:59:60-14:00",
        "a|b",
        "\\",
        "|",
        "Appointment:patient",
    ]
)


@MANY
@given(
    st.sampled_from(sorted(PARAMETERS)),
    st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=10), VALUES), max_size=4),
)
async def test_any_search_is_answered(backend: Backend, kind: str, parameters: list[tuple[str, str]]):
    encoded = [(name.encode("utf-8", "replace"), value.encode("utf-8", "replace")) for name, value in parameters]
    query = str(httpx.QueryParams([(n.decode(), v.decode()) for n, v in encoded]))
    _is_an_answer(await backend.http.get(f"/{kind}?{query}"))


@MANY
@given(st.text(TEXT, min_size=1, max_size=40), st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD"]))
async def test_any_address_is_answered(backend: Backend, path: str, method: str):
    answer = await backend.http.request(method, f"{backend.url}/{quote(path)}")
    assert answer.status_code < 500
