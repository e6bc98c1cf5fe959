"""Collects what a killed front desk left behind, when it is up again: from databases, over FHIR, off the paper."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from sqlalchemy import Connection, func, select

from kioskd import config
from kioskd.core.printing import SheetKind
from kioskd.demo.processes import Processes
from kioskd.demo.rig import Rig
from kioskd.demo.simulators import TICKETS, WRISTBANDS
from kioskd.forward.fhir import CHECK_IN_SYSTEM, TICKET_SYSTEM
from kioskd.hub import tables as hub_tables
from kioskd.station import jobs
from kioskd.station import tables as station_tables
from kioskd.store import Schema, Store, open_store
from kioskd.store.outbox import OutboxState
from tests.faults.witness import Call, CheckInRow, Facts, Job, PaperSheet, Record

SETTLED_WITHIN_S = 120.0
LOOK_AGAIN_S = 0.1
"""How often a database of another process is looked at; there is no signal for that."""
VERIFY_WITHIN_S = 120.0
COPY_MARKS = {"COPY", "KOPIE"}


async def settle(rig: Rig, facts: Facts) -> None:
    """Wait until nothing is on its way any more: every intent answered, every message out, every job over."""
    async with _beside(rig, "station", station_tables.SCHEMA) as station, _beside(rig, "hub", hub_tables.SCHEMA) as hub:
        ends_at = time.monotonic() + SETTLED_WITHIN_S
        while True:
            facts.open_intents, unfinished = await station.read(_unsettled)
            facts.undelivered = await hub.read(_undelivered)
            if not (facts.open_intents or unfinished or facts.undelivered) or time.monotonic() > ends_at:
                return
            await asyncio.sleep(LOOK_AGAIN_S)


async def gather(rig: Rig, processes: Processes, facts: Facts) -> None:
    """Fill in what the databases, the record and the paper say."""
    patients = await _record_numbers(rig, processes)
    async with _beside(rig, "hub", hub_tables.SCHEMA) as hub:
        facts.check_ins = await hub.read(_check_ins)
        facts.ever_called, facts.is_called = await hub.read(_calls)
    async with _beside(rig, "station", station_tables.SCHEMA) as station:
        facts.jobs = await station.read(_jobs)
    facts.records = [_record(resource) for resource in await _resources(rig, processes, "Encounter")]
    facts.sheets = [_ticket(sheet) for sheet in await rig.hardware("sheets", printer=TICKETS)]
    facts.sheets += [_band(sheet, patients) for sheet in await rig.hardware("sheets", printer=WRISTBANDS)]


async def verify_audit(rig: Rig) -> str:
    """What ``kioskd audit verify`` says is wrong with the chains of every process, or nothing."""
    problems = []
    for process, file in rig.site_files.items():
        if process == "station":
            continue  # what a station does is in the hub's trail
        command = [sys.executable, "-m", "kioskd", "audit", "verify", "--config", str(file)]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=VERIFY_WITHIN_S, check=False
        )
        if done.returncode or "whole" not in done.stdout:
            problems.append(f"{process}: {done.stdout.strip()} {done.stderr.strip()}")
    return "; ".join(problems)


# --- databases -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _beside(rig: Rig, role: str, schema: Schema) -> AsyncIterator[Store]:
    async with open_store(schema, config.load(rig.site_file_of(role)).store, is_beside_daemon=True) as store:
        yield store


def _unsettled(connection: Connection) -> tuple[int, int]:
    intent = station_tables.intent
    count = select(func.count()).select_from(intent).where(intent.c.answered_at.is_(None))
    return int(connection.scalar(count) or 0), len(jobs.unfinished(connection))


def _undelivered(connection: Connection) -> int:
    outbox = hub_tables.outbox
    count = select(func.count()).select_from(outbox).where(outbox.c.state != OutboxState.DONE)
    return int(connection.scalar(count) or 0)


def _check_ins(connection: Connection) -> list[CheckInRow]:
    row, ticket = hub_tables.check_in, hub_tables.ticket
    query = select(row.c.id, row.c.patient_id, row.c.reason, ticket.c.series, ticket.c.number)
    found = connection.execute(query.join(ticket, ticket.c.check_in_id == row.c.id, isouter=True))
    return [CheckInRow(str(r.id), r.patient_id, f"{r.series}{r.number}", r.reason is not None) for r in found]


def _calls(connection: Connection) -> tuple[set[Call], set[Call]]:
    ticket = hub_tables.ticket
    rows = connection.execute(select(ticket).where(ticket.c.called_at.is_not(None))).all()
    ever = {Call(f"{row.series}{row.number}", row.room) for row in rows}
    return ever, {Call(f"{row.series}{row.number}", row.room) for row in rows if row.state == "called"}


def _jobs(connection: Connection) -> list[Job]:
    table = station_tables.print_job
    return [
        Job(str(row.check_in_id), "band" if row.kind == SheetKind.WRISTBAND else "ticket", row.copy, row.state)
        for row in connection.execute(select(table.c.check_in_id, table.c.kind, table.c.copy, table.c.state))
    ]


# --- the record ----------------------------------------------------------------------------------------------------


async def _resources(rig: Rig, processes: Processes, kind: str) -> list[dict[str, Any]]:
    headers = {"authorization": f"Bearer {rig.token}"}
    found: list[dict[str, Any]] = []
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=30) as client:
        url: str | None = f"{processes.url('fhir')}/fhir/{kind}?_count=100"
        while url is not None:
            answer = await client.get(url)
            assert answer.status_code == 200, f"{kind} can't be read: HTTP {answer.status_code}"
            bundle = answer.json()
            found += [entry["resource"] for entry in bundle.get("entry", [])]
            url = next((link["url"] for link in bundle.get("link", []) if link["relation"] == "next"), None)
    return found


async def _record_numbers(rig: Rig, processes: Processes) -> dict[str, str]:
    """Patient ids by record number, which is what a band says."""
    patients = await _resources(rig, processes, "Patient")
    return {identifier["value"]: patient["id"] for patient in patients for identifier in patient["identifier"]}


def _record(encounter: dict[str, Any]) -> Record:
    values = {identifier["system"]: identifier["value"] for identifier in encounter["identifier"]}
    patient = encounter["subject"]["reference"].removeprefix("Patient/")
    return Record(encounter["id"], values.get(CHECK_IN_SYSTEM, ""), values.get(TICKET_SYSTEM, ""), patient)


# --- paper ---------------------------------------------------------------------------------------------------------


def _ticket(sheet: dict[str, Any]) -> PaperSheet:
    lines = [line.strip() for line in sheet["text"].splitlines()]
    labels = [line for line in lines if re.fullmatch(r"[A-Z]\d+", line)]
    label = labels[0] if len(labels) == 1 else f"{len(labels)} numbers on one sheet"
    return PaperSheet("ticket", label, "", not COPY_MARKS.isdisjoint(lines), sheet["connected_at"])


def _band(sheet: dict[str, Any], patients: dict[str, str]) -> PaperSheet:
    # "No. 00 123 456", or "Nr." where the site is German.
    numbers = [digits.replace(" ", "") for digits in re.findall(r"\^FDN[or]\. ([\d ]+)\^FS", sheet["text"])]
    patient = patients.get(numbers[0], "") if len(numbers) == 1 else f"{len(numbers)} people on one band"
    return PaperSheet("band", "", patient, False, sheet["connected_at"])
