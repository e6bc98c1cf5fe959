"""Tickets for tests."""

from __future__ import annotations

from kioskd.ports import LineKind, TicketLine, TicketSheet


def simple_ticket(
    label: str = "A12",
    site: str = "Praxis am Markt",
    title: str = "Ihre Nummer",
    lines: tuple[str, ...] = ("Wartezimmer", "09:40"),
    footer: str = "Danke.",
) -> TicketSheet:
    """A ticket with a number between a few words."""
    return TicketSheet(
        (
            TicketLine(text=site, is_bold=True),
            TicketLine(text=title),
            TicketLine(LineKind.NUMBER, label),
            *(TicketLine(text=line, size=2) for line in lines),
            TicketLine(text=footer),
        )
    )
