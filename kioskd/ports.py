"""What the parts of kioskd need from outside, as Protocols. MUST and MAY as in RFC 2119.

Device ports block: the daemon calls them on the device's own thread, one call at a time, under a deadline.
A method MUST return within the seconds it is given plus one. A driver translates its library's errors to
``kioskd.errors`` at its own border. ``Hub``, ``Schedule``, ``Destination`` and ``FrontDeskSimulator`` are asyncio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol, runtime_checkable
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from kioskd.core.appointment import Appointment
from kioskd.core.identity import Card, Identified, Reason, Refused
from kioskd.core.patient import Identifier, PartialDate, Patient, Sex
from kioskd.core.printed_card import PhotoRefused, PrintedCard
from kioskd.core.printing import Cause, PrinterNote, PrintState, ProofKind, SheetKind

# --- devices and drivers ---------------------------------------------------------------------------------------


class DriverConfig(BaseModel):
    """A driver's own keys of a ``[[device]]`` block; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Device(Protocol):
    """One piece of hardware. Opened, used and closed on one thread."""

    def open(self) -> None:
        """Claim the device. MUST leave nothing claimed if it fails. Raises DeviceUnavailable."""

    def close(self) -> None:
        """Release the device. MUST NOT raise; MAY be called on a device that is not open."""


class Driver(Protocol):
    """How a kind of device is driven: found by the entry point group ``kioskd.drivers``.

    MUST NOT import its hardware library before ``create`` is called.
    """

    title: ClassVar[str]
    kind: ClassVar[str]
    """``card-reader``, ``scanner``, ``ticket-printer``, ``wristband-printer`` or ``label-printer``."""
    config: ClassVar[type[DriverConfig]]

    def create(self, name: str, config: Any, card_kinds: Sequence[CardKind]) -> Device:
        """The device ``name`` of the site file, not yet open. ``card_kinds`` matter to card readers only."""


Transmit = Callable[[bytes], tuple[bytes, int]]
"""Send one command APDU; the answer's data and its status word SW1SW2 (ISO 7816-4), 61xx and 6Cxx already handled."""


class CardKind(Protocol):
    """One kind of chip card: pure bytes over ``transmit``. Found by the entry point group ``kioskd.cards``."""

    name: ClassVar[str]
    suffices_for_billing: ClassVar[bool]
    """Whether what ``read`` gives is all that the insurer asks for; if not, the desk must still have the card."""

    def is_present(self, transmit: Transmit) -> bool:
        """Whether the card is of this kind; MUST ask by SELECT, not by ATR."""

    def read(self, transmit: Transmit) -> Card:
        """Read the open data. Raises CardUnreadable."""

    def read_id(self, transmit: Transmit) -> bytes:
        """A number that differs between any two cards, for the re-check at the end of a read."""


@runtime_checkable
class CardReader(Device, Protocol):
    """A chip-card reader."""

    def wait_for_card(self, seconds: float) -> bool:
        """Whether a card is in, waiting at most ``seconds``. Raises DeviceUnavailable when the reader is gone."""

    def read_card(self) -> Card:
        """Read the card that is in, exclusively, and make sure at the end that it is still the same card.

        Raises CardUnreadable (removed, changed, mute, not supported) or DeviceUnavailable.
        """

    def wait_for_removal(self, seconds: float) -> bool:
        """Whether the reader is empty, waiting at most ``seconds``. Raises DeviceUnavailable."""


@dataclass(frozen=True, slots=True)
class ScannedCode:
    """One code as it was read. Its data are a patient's: they are in no ``repr`` and go into no log."""

    data: bytes = field(repr=False)
    """What the code holds, byte for byte, without identifier and framing."""
    symbology: str = ""
    """Its AIM identifier (ISO/IEC 15424), such as ``]L2``; empty: the scanner does not say."""


@runtime_checkable
class CodeScanner(Device, Protocol):
    """What reads optical codes: a handheld scanner, or a camera."""

    def wait_for_code(self, seconds: float) -> ScannedCode | None:
        """The next whole code, waiting at most ``seconds`` for it; None when there was none.

        Codes come in the order in which they were read, each once. Raises CodeUnreadable (there was one and it did not
        come whole; the next call goes on with the next) or DeviceUnavailable.
        """

    def set_enabled(self, is_enabled: bool) -> None:
        """Let it read, or not; it reads once it is open. What was read before and not yet asked for is dropped.

        A scanner that can't be told goes on reading, and its codes are dropped here. Raises DeviceUnavailable.
        """


class Guidance(StrEnum):
    """What would make a picture of a held-up card or code better. The words for it are the page's."""

    NOTHING = "nothing"
    """Nothing is held up."""
    GOOD = "good"
    CLOSER = "closer"
    FURTHER = "further"
    MIDDLE = "middle"
    """It is half out of the picture."""
    FLATTER = "flatter"
    STILL = "still"
    DARK = "dark"
    SHINY = "shiny"


@dataclass(frozen=True, slots=True)
class CameraPicture:
    """What a camera sees now, small, for the person in front of it. Never stored, and in no ``repr``."""

    jpeg: bytes = field(repr=False)
    guidance: Guidance
    number: int
    """Rises with each picture; a picture of the same number is the same picture."""


@dataclass(frozen=True, slots=True)
class CardPhoto:
    """One side of a card, sharp, well lit and rectified: its edges are the picture's. It may stand on its head."""

    jpeg: bytes = field(repr=False)
    width: int
    height: int


@runtime_checkable
class Camera(CodeScanner, Protocol):
    """A code scanner that has a picture to show. Driver kind ``scanner``."""

    def look(self) -> CameraPicture | None:
        """What it sees now; None: not open, not reading, or the first picture is still being made.

        MUST NOT block and, other than the rest, MAY be called on any thread. Pictures are made only while somebody
        looks, at about five a second, and while it reads codes or takes a photo.
        """

    def capture_card(self, seconds: float) -> CardPhoto | None:
        """A photo of the card that is held up, waiting at most ``seconds`` for a good one; None when there was none.

        Raises DeviceUnavailable.
        """


class PrintedCardReader(Protocol):
    """Reads what is printed on an insurance card from photos of its sides. Any thread; one card at a time."""

    def read_card(self, front: bytes, back: bytes | None, within_s: float) -> PrintedCard | PhotoRefused:
        """The fields of a card from JPEG, PNG or WebP photos, or why a photo must be taken again; it keeps neither.

        What is read is a guess: nothing may use it before a person has confirmed it (``core.printed_card``).
        ``within_s`` is for each side; the first photo after a pause takes seconds longer. Raises DeviceUnavailable (not
        installed, hung, ended), or another KioskdError for bytes that are no picture.
        """

    def close(self) -> None:
        """Give its memory back. MUST NOT raise; MAY be called twice, and reading goes on with the next photo."""


@dataclass(frozen=True, slots=True)
class PrinterStatus:
    """What a printer says of itself. ``is_ready``: a sheet sent now would be printed now."""

    is_ready: bool
    cause: Cause | None = None
    is_paper_low: bool = False
    odometer: int | None = None
    """Lifetime count of labels, where the printer has one; committed before the first byte of a sheet."""
    proof: ProofKind = ProofKind.NONE
    """The best proof that this printer can give. NONE while ``is_ready``: it was asked, prints, and can give none."""
    model: str = ""
    notes: tuple[PrinterNote, ...] = ()
    """What it will need soon; PAPER_LOW where ``is_paper_low``, if its driver gives notes at all."""
    doubt: Cause | None = None
    """Why the sheet that was sent last can't be proven, where the printer says so: OTHER_LABEL, for example."""


class LineKind(StrEnum):
    """What a line of a ticket is."""

    TEXT = "text"
    NUMBER = "number"
    """The ticket's number, as big as the paper is wide."""
    MARK = "mark"
    """White on black: that it is a copy."""
    PICTURE = "picture"
    GAP = "gap"


class Align(StrEnum):
    """Where a line stands; ``START`` is the right edge of a sheet that is read from right to left."""

    START = "start"
    CENTER = "center"
    END = "end"


@dataclass(frozen=True, slots=True)
class TicketLine:
    """One line of a ticket; a driver breaks it into more where its paper is too narrow, and leaves nothing out.

    A value put into a sentence MAY stand between U+2068 and U+2069 (first strong isolate), so that a number or a Latin
    name keeps its order in Arabic. Any other character that steers is left out by the driver.
    """

    kind: LineKind = LineKind.TEXT
    text: str = ""
    size: int = 1
    """1 to 8 times the printer's own letters; of a gap: millimetres."""
    is_bold: bool = False
    align: Align = Align.CENTER
    picture: bytes = b""
    """A PNG file, drawn black and white."""


@dataclass(frozen=True, slots=True)
class TicketSheet:
    """What a queue ticket says, from top to bottom, in the patient's language; one line is its NUMBER. No names."""

    lines: tuple[TicketLine, ...]
    is_right_to_left: bool = False

    @property
    def label(self) -> str:
        """The number; empty for a sheet without one."""
        return next((line.text for line in self.lines if line.kind is LineKind.NUMBER), "")

    @property
    def is_copy(self) -> bool:
        """Whether it is marked as a copy."""
        return any(line.kind is LineKind.MARK for line in self.lines)


@dataclass(frozen=True, slots=True)
class UnknownPerson:
    """Somebody whose name nobody knows yet. ``arrived_at``: the site's local time."""

    sex: Sex
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class Newborn:
    """A child that has no name of its own yet: whose, and which of how many. ``born_at``: the site's local time."""

    mother_family: str
    mother_given: str
    mother_record_number: str
    born_at: datetime
    birth_order: int = 1
    births: int = 1


@dataclass(frozen=True, slots=True)
class SheetWords:
    """The few words of wristbands and labels, in the site's language: they are read by staff."""

    born: str = "Born"
    number: str = "No."
    similar_name: str = "Similar name"
    unknown: str = "Unknown"
    unknown_male: str = "Unknown male"
    unknown_female: str = "Unknown female"
    arrived: str = "Arrived"
    baby_of: str = "Baby of"
    baby_of_several: str = "Baby {order} of"
    """``order``: such as ``1/2`` for the first of two."""
    mother: str = "Mother"


@dataclass(frozen=True, slots=True)
class WristbandSheet:
    """What a wristband says: two identifiers of the person at least (NPSG.01.01.01).

    ``unknown`` and ``newborn`` stand in for ``family``, ``given`` and ``birth_date``, which are empty then.
    """

    family: str
    given: str
    birth_date: date | PartialDate | None
    record_number: str
    band_number: int
    """Rises with every band that is printed for a patient (GS1 AI 8019), so an older band can be told."""
    gsrn: str = ""
    """18 digits of a GS1 service relation number (AI 8018) where the site has a GS1 prefix, else empty."""
    number_groups: tuple[int, ...] = ()
    """How the record number is read aloud, such as 3 3 4; empty: see ``core.patient.in_groups``."""
    is_name_similar: bool = False
    """Staff marked that somebody in the house has a similar name: the band warns of it."""
    unknown: UnknownPerson | None = None
    newborn: Newborn | None = None
    words: SheetWords = SheetWords()


@dataclass(frozen=True, slots=True)
class LabelSheet:
    """What a label for a specimen or a document says: two identifiers of the person at least, as a wristband does."""

    kind: SheetKind
    """``SPECIMEN_LABEL`` or ``DOCUMENT_LABEL``."""
    family: str
    given: str
    birth_date: date | PartialDate | None
    record_number: str
    made_at: datetime
    """When the specimen was taken or the document made: the site's local time."""
    title: str = ""
    """What it is, in the site's own words: ``Serum``, ``Referral``."""
    code: str = ""
    """What the barcode says, such as the id of the document; empty: the record number."""
    number_groups: tuple[int, ...] = ()
    words: SheetWords = SheetWords()


class _Printing(Device, Protocol):
    """What ticket and wristband printers have in common: status, send once, prove.

    Other than the rest, ``render`` and ``render_self_test`` are called on any thread, one sheet of a station at a time.
    """

    def status(self) -> PrinterStatus:
        """Ask the printer, sending no byte of a sheet. MUST answer within 3 s; NO_ANSWER is a status, not an error.

        Raises DeviceUnavailable when the connection is gone.
        """

    def send(self, payload: bytes, token: int) -> None:
        """Send a whole sheet, with ``token`` (1 to 9999, rising) as its process id where the printer has that.

        Raises NotPrinted only when no byte left; any other failure MUST raise DeviceUnavailable.
        """

    def prove(self, token: int, odometer_before: int | None, seconds: float) -> ProofKind | None:
        """The proof that the sheet sent with ``token`` is out, or None when none came within ``seconds``.

        MAY be called again for the same token, also while the printer holds the sheet back (paper out after
        the send). Raises DeviceUnavailable when the connection is gone.
        """


@runtime_checkable
class TicketPrinter(_Printing, Protocol):
    """A printer of queue tickets."""

    def render(self, sheet: TicketSheet) -> bytes:
        """The bytes of a ticket, pure and without the token. Raises NotPrinted(CONTENT_REFUSED)."""


@runtime_checkable
class WristbandPrinter(_Printing, Protocol):
    """A printer of wristbands."""

    def render(self, sheet: WristbandSheet) -> bytes:
        """The bytes of a band, pure. Raises NotPrinted(CONTENT_REFUSED)."""


@runtime_checkable
class LabelPrinter(_Printing, Protocol):
    """A printer of labels for specimens and documents."""

    def render(self, sheet: LabelSheet) -> bytes:
        """The bytes of a label, pure. Raises NotPrinted(CONTENT_REFUSED)."""


@dataclass(frozen=True, slots=True)
class SelfTestSheet:
    """What a self-test says, in words; beside it the driver draws what only it knows how to: marks and characters."""

    title: str
    lines: tuple[str, ...]
    """Which printer it is, where, its model, the time, and how good its proofs are."""
    ruler: str
    """Stands at a ruler over the whole printable width, in millimetres; longer marks every five and ten."""
    characters: str
    """Stands before a line of the printer's own characters that are easily wrong."""


@runtime_checkable
class SelfTesting(Protocol):
    """A printer that MAY be asked for a self-test sheet."""

    def render_self_test(self, sheet: SelfTestSheet) -> bytes:
        """The bytes of a self-test, pure. Raises NotPrinted(CONTENT_REFUSED)."""


# --- station to hub --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CheckInRequest:
    """A confirmed check-in. Asked again with the same id, the hub gives the same answer."""

    check_in_id: UUID
    station: str
    arrived_at: datetime
    patient: Patient
    appointment: Appointment
    card_kind: str
    language: str
    is_card_wanted: bool = False
    """What was read of the card is not all that the insurer asks for: the desk has to read it too."""


@dataclass(frozen=True, slots=True)
class CheckInReply:
    """The committed check-in. ``was_checked_in_before``: this appointment already had one; it is that one's ticket."""

    check_in_id: UUID
    label: str
    area: str
    area_name: str
    arrived_at: datetime
    was_checked_in_before: bool
    band_number: int | None
    """The number of the wristband to print (rises for each patient), or None when there is none to print: the area
    gives out none, or the visit was checked in before."""
    called_to: str = ""
    """The room that this ticket is called to right now, for who comes to the kiosk a second time."""
    practitioner: str = ""
    """Whom the appointment is with; on the ticket only where the site says so."""


@dataclass(frozen=True, slots=True)
class HelpRequest:
    """Somebody who can't be checked in at the kiosk. Repeatable by id."""

    check_in_id: UUID
    station: str
    arrived_at: datetime
    reason: Reason
    language: str
    patient: Patient | None = None


@dataclass(frozen=True, slots=True)
class HelpReply:
    """The committed help ticket."""

    check_in_id: UUID
    label: str
    arrived_at: datetime


PULSE_NAME = "kiosk-pc"
PULSE_KIND = "station"
"""A station on a machine of its own reports itself like one of its devices, again every few seconds."""


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """How a device of a station is, for the desk: sent on every change and again after a reconnect."""

    station: str
    device: str
    kind: str
    state: str
    what: str
    since: datetime
    model: str = ""
    """What a printer says that it is."""
    proof: ProofKind | None = None
    """The best proof that a printer can give; NONE: it can't prove anything. None: not asked yet, or no printer."""
    odometer: int | None = None
    """Labels since it was made, where a printer counts them; told again after every tenth only."""
    notes: tuple[str, ...] = ()
    """What a device that works will need soon, such as ``paper-low``."""
    is_staff_side: bool = False
    """Only staff can reach it."""
    place: str = ""
    """Where it stands, in the site's words."""
    line: str = ""
    """How it is connected, such as ``tcp://10.0.0.30:9100``."""
    roll_sheets: int = 0
    """Sheets on a new roll where the site file says so, else 0."""


@dataclass(frozen=True, slots=True)
class PrintReport:
    """How a print job of a station ended or why it waits, for the desk."""

    check_in_id: UUID
    kind: SheetKind
    copy: int
    state: PrintState
    proof: ProofKind | None
    cause: Cause | None
    at: datetime
    station: str = ""
    device: str = ""
    """The printer that has it; another one than at first when it was taken over."""
    order_id: UUID | None = None
    """The order of staff that it follows."""


@dataclass(frozen=True, slots=True)
class PrintOrder:
    """What staff ask a station to print. Repeatable by id: the station makes one job of it, however often it is told.

    It stays open until a ``PrintReport`` with its id came; the hub withdraws one that no station took in
    ``core.printing.BEGIN_WITHIN``. A self-test has the order's own id as ``check_in_id``.
    """

    order_id: UUID
    station: str
    device: str
    """The printer to use, or empty: the station's own for this kind."""
    check_in_id: UUID
    kind: SheetKind
    copy: int
    ordered_at: datetime
    language: str = ""
    ticket: CheckInReply | HelpReply | None = None
    """What a ticket says."""
    patient: Patient | None = None
    """Whom a wristband or a label is for."""
    band_number: int | None = None
    is_name_similar: bool = False
    """Staff marked that somebody in the house has a similar name: the band warns of it."""
    unnamed: UnknownPerson | Newborn | None = None
    """Whom a wristband is for who has no name yet, in place of ``patient``. Its time is aware UTC here."""
    record_number: str = ""
    """That of ``unnamed``."""
    title: str = ""
    """What a label is for, see ``LabelSheet``."""
    code: str = ""


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """An attempt at a kiosk that ended without a ticket, for the desk: when, where and why, not who."""

    attempt_id: UUID
    station: str
    reason: Reason
    at: datetime


class Hub(Protocol):
    """The site's shared state, as a station sees it. Every method MUST be repeatable. Raises Unreachable."""

    async def identify(self, card: Card, at: datetime) -> Identified | Refused:
        """The patient of records and today's appointment that a card stands for."""

    async def identify_letter(self, letter: str, birth_date: date, at: datetime) -> Identified | Refused:
        """Whom an appointment letter stands for, if the birth date agrees. ``check_in`` uses it up, not this.

        ``letter``: the text of its code. Refused with a LETTER_ reason, BIRTH_DATE_DIFFERS, or as ``identify``.
        """

    async def identify_number(
        self, identifier: Identifier, birth_date: date, is_shared_by_family: bool, at: datetime
    ) -> Identified | Refused:
        """Whom a number from a code stands for, if the birth date agrees."""

    async def check_in(self, request: CheckInRequest) -> CheckInReply:
        """Commit a check-in with its ticket; letters for the appointment are used up by it.

        Raises RuleViolation when the appointment can't be checked in.
        """

    async def ask_for_help(self, request: HelpRequest) -> HelpReply:
        """Commit a help ticket; the arrival time is kept."""

    async def station_started(self, station: str, devices: Sequence[str]) -> None:
        """Tell the desk which devices a station has; it forgets every other one of that station."""

    async def report_device(self, report: DeviceReport) -> None:
        """Tell the desk how a device is."""

    async def report_print(self, report: PrintReport) -> None:
        """Tell the desk how a sheet is."""

    async def orders(self, station: str) -> Sequence[PrintOrder]:
        """What staff asked this station to print and nobody has taken yet, oldest first."""

    async def report_attempt(self, report: AttemptReport) -> None:
        """Tell the desk of an attempt that was broken off."""


# --- hub to records --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scheduled:
    """An appointment with its patient."""

    appointment: Appointment
    patient: Patient


class Schedule(Protocol):
    """Patients and appointments in the records backend. Raises Unreachable or Rejected."""

    async def find_patients(self, identifier: Identifier) -> Sequence[Patient]:
        """All patients that have exactly this identifier."""

    async def read_patient(self, patient_id: str) -> Patient | None:
        """The patient with this logical id, or None when records have none in use."""

    async def appointments_between(self, begin: datetime, end: datetime) -> Sequence[Scheduled]:
        """All appointments that start in [begin, end), with their patients."""

    async def appointments_of(self, patient_id: str, begin: datetime, end: datetime) -> Sequence[Appointment]:
        """One patient's appointments that start in [begin, end)."""


# --- outbox ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One side effect that was committed together with the state it follows from."""

    id: int
    destination: str
    key: str
    """Messages with one key are delivered in order, one at a time; different keys do not wait for one another."""
    kind: str
    payload: dict[str, Any]
    attempts: int
    created_at: datetime


class Destination(Protocol):
    """Where outbox messages go. Delivering one twice MUST have the effect of delivering it once."""

    async def deliver(self, message: OutboxMessage) -> None:
        """Return when the other side has it for good. Raises Unreachable (again later) or Rejected (parked)."""


# --- preview of sheets -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SheetSample:
    """One picture of what the site's printers would print; the person is invented."""

    key: str
    """Stands in an address: a-z, 0-9, hyphen."""
    kind: str
    """``ticket``, ``help-ticket``, ``copy``, or what a kind of band or label is called."""
    printer: str
    """Its name in the site file, or empty: the site file names no such printer, and this is the usual one."""
    paper_width_mm: int
    language: str


class SheetPreview(Protocol):
    """What the printers of the site would print, as pictures. Blocking: called on a thread of its own."""

    site_name: str

    def samples(self) -> Sequence[SheetSample]:
        """What there is to see, in the order to show it in. MUST NOT block."""

    def png(self, key: str) -> bytes:
        """The picture of a sample. Raises LookupError, or NotPrinted with what is wrong with the sheet."""


# --- the lab page ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SampleCard:
    """A card in the tray of the lab page. The person is invented."""

    id: str
    title: str
    note: str


@dataclass(frozen=True, slots=True)
class SimulatedPrinter:
    """What the lab page draws of a printer."""

    name: str
    kind: str
    has_paper: bool
    is_lid_open: bool
    sheets: int
    """Sheets that came out since the start; sheet ``n`` (1-based) is a picture."""
    is_printing: bool


@dataclass(frozen=True, slots=True)
class FrontDesk:
    """The state of the simulated front desk."""

    card_in_reader: str
    printers: tuple[SimulatedPrinter, ...]
    is_broker_up: bool


class FrontDeskSimulator(Protocol):
    """Hands for the lab page: what a person would do to the hardware."""

    def cards(self) -> Sequence[SampleCard]: ...

    async def desk(self) -> FrontDesk: ...

    async def insert_card(self, card_id: str) -> None: ...

    async def remove_card(self) -> None: ...

    async def scan(self, text: str) -> None:
        """Hold a code with this text before the scanner."""

    async def show_image(self, picture: bytes) -> int:
        """Hold a picture before it; how many codes it held. Raises DeviceUnavailable, also for what is no picture."""

    async def set_paper(self, printer: str, has_paper: bool) -> None: ...

    async def set_lid(self, printer: str, is_open: bool) -> None: ...

    async def tear_off(self, printer: str) -> None: ...

    async def sheet_png(self, printer: str, number: int) -> bytes: ...

    async def set_broker(self, is_up: bool) -> None: ...
