"""People at the demo's front desk, as plain HTTP clients: what they do goes through the pages that people use."""

from __future__ import annotations

import asyncio
import re
from types import TracebackType
from typing import Self

import httpx

from kioskd.errors import KioskdError


class PageProblem(KioskdError):
    """A page did not answer as a person expects it to."""


class Person:
    """Somebody in front of a page: opens it, fills a form of it and sends that, with the page's own hidden fields."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=20, follow_redirects=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def look(self, path: str = "/") -> str:
        """The page at ``path`` as HTML. Raises PageProblem."""
        return _page(await self._client.get(path), path)

    async def until(self, text: str, within_s: float = 15.0) -> str:
        """The page as soon as it holds ``text``, followed over its live stream as a browser does.

        Raises PageProblem.
        """
        try:
            async with asyncio.timeout(within_s):
                while True:
                    page = await self.look("/")
                    if text in page:
                        return page
                    await self._until_streamed(text)
        except TimeoutError:
            raise PageProblem(f"the page did not show {text!r} within {within_s:g} s") from None

    async def _until_streamed(self, text: str) -> None:
        """Return when one message of the live stream held ``text``, or the stream ended."""
        async with self._client.stream("GET", "/live") as stream:
            seen = ""
            async for line in stream.aiter_lines():
                seen = seen + line + "\n" if line else ""
                if text in seen:
                    return

    async def send(self, action: str, page: str = "/", contains: str = "", **fields: str) -> str:
        """Send the form with ``action`` of ``page`` (the one that ``contains`` a text, where there are several).

        Returns the page that follows. Raises PageProblem.
        """
        return await self.submit(action, await self.form(action, page, contains) | fields)

    async def form(self, action: str, page: str = "/", contains: str = "") -> dict[str, str]:
        """The hidden fields of a form of ``page``. Raises PageProblem."""
        return _hidden_fields(await self.look(page), action, contains)

    async def submit(self, action: str, fields: dict[str, str]) -> str:
        """Send a form; the page that follows. Raises PageProblem."""
        headers = {"origin": self.url, "sec-fetch-site": "same-origin"}
        return _page(await self._client.post(action, data=fields, headers=headers), action)

    async def sign_in(self, name: str, password: str) -> None:
        """Sign in with an account of staff. Raises PageProblem."""
        html = await self.send("/sign-in", "/sign-in", name=name, password=password)
        if 'action="/sign-in"' in html:
            raise PageProblem(f"sign-in of {name} was refused")


def _page(answer: httpx.Response, path: str) -> str:
    if answer.status_code != 200:
        raise PageProblem(f"{answer.request.method} {path} was answered with {answer.status_code}")
    return answer.text


def _hidden_fields(html: str, action: str, contains: str) -> dict[str, str]:
    """The hidden fields and the button's value of a form."""
    for form in re.findall(r"<form\b.*?</form>", html, re.DOTALL):
        if f'action="{action}"' in form and contains in form:
            tags = re.findall(r"<(?:input\b[^>]*\btype=\"hidden\"|button\b[^>]*\bname=)[^>]*>", form)
            return {_attribute(tag, "name"): _attribute(tag, "value") for tag in tags}
    raise PageProblem(f"the page has no form for {action}{f' with {contains!r}' if contains else ''}")


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf'\b{name}="([^"]*)"', tag)
    return found.group(1) if found else ""
