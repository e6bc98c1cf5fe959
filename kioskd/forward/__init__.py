"""From the outbox to the other side: deliver what is committed, and read the day's schedule.

``worker``       drains an outbox to any ``ports.Destination``
``retry``        when to try again: a decision, no I/O
``destination``  check-ins to a FHIR R4 server, exactly once in effect
``schedule``     patients and appointments from a FHIR R4 server
``http``         the FHIR client both of them use
``fhir``         what we write: the transaction of a check-in (pure)
``resources``    what we read: Patient and Appointment (pure)
``answers``      what a status or an OperationOutcome means for us (pure)
"""

from kioskd.forward.destination import FhirDestination
from kioskd.forward.http import FhirClient, Timeouts
from kioskd.forward.schedule import FhirSchedule
from kioskd.forward.worker import run_worker

__all__ = ["FhirClient", "FhirDestination", "FhirSchedule", "Timeouts", "run_worker"]
