"""Check-ins to a FHIR R4 server, exactly once in effect.

Read first, then one transaction of what is missing. A repeated delivery (time-out after the commit, crash before the
outbox was settled) finds the Encounter and does not write it again: staff may have taken it further by then. Nothing
is read back afterwards: an update with an id derived from the check-in was never doubled by any server measured.
"""

from __future__ import annotations

import logging

from kioskd.errors import Rejected, Unreachable
from kioskd.forward.answers import Conflict
from kioskd.forward.fhir import CheckIn, Target, Versioned, check_in_of, check_in_transaction, must_move
from kioskd.forward.http import FhirClient
from kioskd.ports import OutboxMessage

log = logging.getLogger(__name__)

CHECK_IN = "check-in"
"""The kind of message that is delivered here."""
MOST_ROUNDS = 5
"""How often an appointment that others keep changing is read and decided again within one delivery."""


class FhirDestination:
    """Implements ``ports.Destination``. ``target``: what an appointment becomes by a check-in."""

    def __init__(self, client: FhirClient, target: Target) -> None:
        self._client = client
        self._target = target

    async def deliver(self, message: OutboxMessage) -> None:
        """Return when the Encounter is stored and the appointment is at its target, or past it, or left to staff."""
        if message.kind != CHECK_IN:
            raise Rejected("unknown-kind", f"messages of the kind {message.kind} can't be sent as FHIR")
        check_in = check_in_of(message.payload)
        for _ in range(MOST_ROUNDS):
            try:
                return await self._deliver(check_in, message.id)
            except Conflict:
                continue
        raise Unreachable(f"the resources were changed by others {MOST_ROUNDS} times while we wrote")

    async def _deliver(self, check_in: CheckIn, message_id: int) -> None:
        is_stored = await self._is_stored(check_in)
        appointment = await self._appointment(check_in)
        bundle = check_in_transaction(check_in, appointment, self._target, is_stored=is_stored)
        if bundle["entry"]:
            await self._client.transaction(bundle)
        if note := self._note(check_in, appointment):
            log.info("message %d is stored; the appointment was left as it is: %s", message_id, note)

    async def _is_stored(self, check_in: CheckIn) -> bool:
        return await self._client.read("Encounter", check_in.encounter_id) is not None

    async def _appointment(self, check_in: CheckIn) -> Versioned | None:
        if self._target == "none" or not check_in.appointment_id:
            return None
        return await self._client.read("Appointment", check_in.appointment_id)

    def _note(self, check_in: CheckIn, appointment: Versioned | None) -> str:
        """Why an appointment that should have been moved was not; empty when it was, or had no need to be."""
        if self._target == "none" or not check_in.appointment_id:
            return ""
        if appointment is None:
            return "it is deleted"
        if must_move(appointment.resource, self._target):
            return "" if appointment.etag else "the server gives no version to write against"
        status = appointment.resource.get("status")
        return str(status) if status in ("cancelled", "noshow", "entered-in-error", "waitlist") else ""
