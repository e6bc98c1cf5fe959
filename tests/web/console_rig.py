"""A served console with a desk in memory, real accounts and a clock that is set by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx

from kioskd.config import StaffConfig, StoreConfig
from kioskd.hub.letter_view import Letters
from kioskd.news import News
from kioskd.ports import SheetPreview
from kioskd.staff import Role, Staff
from kioskd.staff.tables import SCHEMA
from kioskd.store import Store, open_store
from kioskd.web.console import console_app
from kioskd.web.pages import Pages
from kioskd.web.server import serve
from kioskd.web.sign_in import StaffedSettings, form_token
from tests.fakes import Clock
from tests.web.browser import Visit
from tests.web.front_desk import NOW, FrontDesk
from tests.web.printer_shop import PrinterShop

COOKIE = "kioskd_console"


@dataclass
class Rig:
    """``password`` is that of ``anna.kurz``, a receptionist."""

    desk: FrontDesk
    printers: PrinterShop
    staff: Staff
    store: Store
    news: News
    clock: Clock
    url: str
    password: str

    def client(self, **options: object) -> httpx.AsyncClient:
        """A browser's habits without a browser: it keeps cookies and says where a form comes from."""
        return httpx.AsyncClient(base_url=self.url, headers={"origin": self.url}, timeout=10, **options)  # type: ignore[arg-type]

    async def sign_in(self, client: httpx.AsyncClient, name: str = "anna.kurz", password: str = "") -> httpx.Response:
        return await client.post("/sign-in", data={"name": name, "password": password or self.password})

    async def add(self, name: str, role: Role) -> str:
        return await self.staff.add_account(name, [role], "system", is_permanent=True)

    def pass_by(self, **duration: float) -> None:
        self.clock.now += timedelta(**duration)


def token_of(client: httpx.AsyncClient) -> str:
    """What the forms of this client's session hold."""
    return form_token(client.cookies[COOKIE])


async def enter(visit: Visit, rig: Rig, name: str = "anna.kurz") -> None:
    """Sign in with the page's own form."""
    await visit.page.fill("#name", name)
    await visit.page.fill("#password", rig.password)
    await visit.page.click("main button")
    await visit.page.wait_for_selector("#queue")


@asynccontextmanager
async def console(
    folder: Path,
    language: str = "en",
    trusted_origins: tuple[str, ...] = (),
    preview: SheetPreview | None = None,
    letters: Letters | None = None,
) -> AsyncIterator[Rig]:
    """Everything of a console on a port of its own."""
    key = folder / "store.key"
    key.touch(mode=0o600)
    key.write_text("0f" * 32)
    news, clock = News(), Clock(NOW)
    desk = FrontDesk(news)
    async with open_store(SCHEMA, StoreConfig(folder=folder / "data", key_file=key)) as store:
        staff = Staff(store, clock, StaffConfig(idle_minutes=30, session_hours=12))
        password = await staff.add_account("anna.kurz", [Role.RECEPTIONIST], "system", is_permanent=True)
        settings = StaffedSettings(language=language, trusted_origins=trusted_origins)
        printers = PrinterShop(news)
        app = console_app(desk, printers, staff, news, Pages(ZoneInfo("Europe/Berlin")), settings, preview, letters)
        async with serve(app, "127.0.0.1", 0) as address:
            yield Rig(desk, printers, staff, store, news, clock, address.url, password)
            news.end()
        staff.close()
