"""The desks of a running demo, in one process or in three: where their pages are, and accounts for who sits there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kioskd import config
from kioskd.app import Running
from kioskd.demo.processes import Processes
from kioskd.demo.rig import PAGES
from kioskd.news import News
from kioskd.roles.running import now
from kioskd.staff import Role, Staff, tables
from kioskd.store import open_store
from kioskd.web.pages import Pages

_ROLE_OF_PAGE = {"console": "hub", "records": "records"}

Password = Callable[[str, Role, str], Awaitable[str]]
"""``(account, role, page)``: the password of an account that signs in at ``console`` or ``records``; it is made, or
set anew."""


@dataclass(frozen=True, slots=True)
class Desks:
    """What the lab page and the people of the demo need of a daemon. ``news`` of processes elsewhere is silent."""

    urls: dict[str, str]
    news: News
    pages: Pages
    password: Password
    is_split: bool = False


def desks_of(daemon: Running) -> Desks:
    """The desks of a daemon in this process."""

    async def password(name: str, role: Role, page: str) -> str:
        return await _password(daemon.staff, name, role)

    urls = {name: address.url for name, address in daemon.addresses.items()}
    return Desks(urls, daemon.news, daemon.pages, password)


def desks_of_processes(processes: Processes) -> Desks:
    """The desks of daemons that are processes of their own."""
    rig = processes.rig
    sites = {role: config.load(rig.site_file_of(role)) for role in _ROLE_OF_PAGE.values()}

    async def password(name: str, role: Role, page: str) -> str:
        site = sites[_ROLE_OF_PAGE[page]]
        async with open_store(tables.SCHEMA, site.store, is_beside_daemon=True) as store:
            staff = Staff(store, now, site.staff)
            try:
                return await _password(staff, name, role)
            finally:
                staff.close()

    urls = {page: processes.url(page) for page in PAGES}
    return Desks(urls, News(), Pages(sites["hub"].site.zone), password, is_split=True)


async def _password(staff: Staff, name: str, role: Role) -> str:
    if name in {account.name for account in await staff.accounts()}:
        return await staff.reset_password(name, "system", is_permanent=True)
    return await staff.add_account(name, [role], "system", is_permanent=True)
