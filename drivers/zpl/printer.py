"""The printers of wristbands and labels: status, send once, prove by the odometer.

The proof is ``odometer.total_label_count``, which rises by one with each label and outlives connections, this daemon
and the printer's power: it can be read on another connection than the one that sent the band. It proves only while
the printer is ours alone: a count that rose by more is somebody else's label as well, and no proof (``proof``). A
printer without it leaves a weak proof, ``ProofKind.FENCE``.

A band that a fault holds up stays in the printer, which prints it by itself once the fault is cleared (``^JZY``). So
``status`` is BUSY until its buffers are empty, and nobody sends the band again while it may be in there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from drivers.line import WriteFailed
from drivers.zpl.band import Band, band_zpl
from drivers.zpl.connection import DOORS, UNSURE_WITHIN_S, Connection, Doors, connect, refuse_if_held
from drivers.zpl.label import Label, label_zpl
from drivers.zpl.proof import Watch, doubt_about, is_counted
from drivers.zpl.self_test import self_test_zpl
from drivers.zpl.status import ExtendedStatus, HostStatus, Identity, cause_of, printer_status, system_status
from drivers.zpl.stock import PrinterKeys, ZplConfig, ZplLabelConfig
from drivers.zpl.typeset import ContentRefused
from kioskd.clock import MACHINE, DeviceClock
from kioskd.core.printing import Cause, ProofKind
from kioskd.errors import DeviceUnavailable, NotPrinted
from kioskd.ports import LabelSheet, PrinterStatus, SelfTestSheet, WristbandSheet

__all__ = ["ZplDevice", "ZplLabelPrinter", "ZplPrinter"]

ANSWER_WITHIN_S = 2.0
IDENTIFY_WITHIN_S = 1.0
SYSTEM_STATUS_WITHIN_S = 0.5
SEND_WITHIN_S = 10.0
FIRST_PAUSE_S = 0.002
LONGEST_PAUSE_S = 0.25
TRIES = 3
"""A printer that answers ``~HS`` and was asked so often for its odometer, or for its model, does not know it."""

_CANCEL_PARTIAL = b"~JX"
_END_OF_LINE = b"\r\n"
"""Ends half a question that an earlier connection left, which would take ours for its rest; else it means nothing."""
_ODOMETER = "odometer.total_label_count"
_SYSTEM_STATUS = "zpl.system_status"
_UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class _Look:
    """What the printer answered at one look. ``host`` None: ``~HS`` was not answered."""

    host: HostStatus | None
    extended: ExtendedStatus | None
    identity: Identity | None
    odometer: int | None


class ZplDevice:
    """What printers of wristbands and of labels have in common: all but what a sheet looks like. On one thread."""

    def __init__(self, name: str, config: PrinterKeys, clock: DeviceClock = MACHINE, doors: Doors = DOORS) -> None:
        """``doors``: the network ports of the printer, where it was set to others than it was delivered with."""
        self._name = name
        self._clock = clock
        self._config = config
        self._doors = doors
        self._connection: Connection | None = None
        self._model = ""
        self._has_odometer: bool | None = None
        self._tries = 0  # looks on this connection that ~HS answered and the odometer, or the model, did not
        self._may_hold_part = False  # a format was begun and not seen whole in the printer
        self._watch: Watch | None = None
        self._doubt: Cause | None = None

    # --- device ------------------------------------------------------------------------------------------------

    def open(self) -> None:
        self.close()
        self._connection = connection = connect(self._name, self._config.address, self._clock, self._doors)
        self._model, self._has_odometer, self._tries = "", None, 0
        try:
            self._identify()
        except DeviceUnavailable:
            self.close()
            if not connection.has_heard:  # a port that serves another host may also let us in and hang up
                refuse_if_held(self._name, connection.address, self._clock, self._doors)
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._watch = None

    # --- printing ----------------------------------------------------------------------------------------------

    def status(self) -> PrinterStatus:
        until = self._clock.monotonic() + ANSWER_WITHIN_S
        look = self._look(b"~HQES~HS" if self._is_known else b"~HI~HQES~HS", ANSWER_WITHIN_S)
        if look.host is not None and look.host.is_format_partial:
            # Left by a daemon that was killed: the next band would be drawn over another patient's fields.
            look = self._look(_CANCEL_PARTIAL + b"~HQES~HS", max(until - self._clock.monotonic(), FIRST_PAUSE_S))
        if look.host is None and look.odometer is not None:
            look = replace(look, extended=look.extended or self._system_status())
        # Without the count before it, a band could never be proven: a printer that has one must say it first.
        host = None if self._has_odometer and look.odometer is None else look.host
        status = printer_status(host, look.extended, look.odometer, self._proof, self._model)
        return replace(status, doubt=self._doubt)

    def send(self, payload: bytes, token: int) -> None:
        connection = self._connection
        if connection is None or connection.line.has_ended():
            self.close()
            raise NotPrinted(self._name, Cause.CONNECTION_LOST, "the connection was gone before the band was sent")
        self._may_hold_part = True
        self._watch, self._doubt = Watch(token), None
        try:
            connection.line.write(payload, self._clock.monotonic() + SEND_WITHIN_S)
        except WriteFailed as error:
            self.close()
            if not error.sent:
                self._may_hold_part = False
                cause = Cause.BUFFER_FULL if error.is_timeout else Cause.CONNECTION_LOST
                raise NotPrinted(self._name, cause, f"no byte was taken: {error}") from None
            what = f"{error.sent} of {len(payload)} bytes of a band were sent, then {error}"
            raise DeviceUnavailable(self._name, what) from None

    def prove(self, token: int, odometer_before: int | None, seconds: float) -> ProofKind | None:
        until = self._clock.monotonic() + seconds
        pause_s = FIRST_PAUSE_S
        watch = self._watch if self._watch is not None and self._watch.token == token else None
        while odometer_before is not None or watch is not None:
            query = b"~HS" if odometer_before is not None else b"~HQES~HS"
            look = self._look(query, min(ANSWER_WITHIN_S, max(until - self._clock.monotonic(), FIRST_PAUSE_S)))
            if (proof := self._proof_in(look, odometer_before, watch)) is not None:
                return proof
            left_s = until - self._clock.monotonic()
            if left_s <= 0:
                return None
            if self._doubt in {Cause.OTHER_LABEL, Cause.COUNT_WENT_BACK, Cause.CONNECTION_LOST}:
                break  # this band can't be proven any more
            self._opened().line.wait(min(pause_s, left_s))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        self._wait_out(until)
        return None

    def _proof_in(self, look: _Look, odometer_before: int | None, watch: Watch | None) -> ProofKind | None:
        """The proof that a look gives, or else what it leaves to doubt."""
        is_well = look.host is not None and cause_of(look.host, look.extended) is None
        is_settled = watch is not None and watch.look(look.host, is_well, self._clock.monotonic())
        if odometer_before is None:
            is_weak_proof = is_settled and watch is not None and watch.is_proof and not self._has_odometer
            return ProofKind.FENCE if is_weak_proof else None
        if look.odometer is None:
            return None
        if look.host is not None and is_counted(odometer_before, look.odometer, look.host):
            is_anybodys = watch is None and self._config.is_shared
            self._doubt = Cause.CONNECTION_LOST if is_anybodys else None
            return None if is_anybodys else ProofKind.ODOMETER
        self._doubt = doubt_about(odometer_before, look.odometer)
        if self._doubt is None and is_settled and look.odometer == odometer_before:
            self._doubt = Cause.NOTHING_COUNTED
        return None

    def _wait_out(self, until: float) -> None:
        """Wait for nothing but the connection's end, so that a caller that asks again does not spin."""
        while (left_s := until - self._clock.monotonic()) > 0:
            self._opened().line.read(left_s)

    # --- looking -----------------------------------------------------------------------------------------------

    @property
    def _is_known(self) -> bool:
        """Whether the model was learnt on this connection, or can't be."""
        return bool(self._model) or self._tries >= TRIES

    @property
    def _proof(self) -> ProofKind:
        """The best proof that the printer can give, as far as that is known."""
        if self._has_odometer is None:
            return ProofKind.NONE
        return ProofKind.ODOMETER if self._has_odometer else ProofKind.FENCE

    def _identify(self) -> None:
        """Clear what a broken transmission left, and learn model and proof. A mute printer is open all the same."""
        begin = _END_OF_LINE + (_CANCEL_PARTIAL if self._may_hold_part else b"")
        look = self._look(begin + b"~HI~HS", IDENTIFY_WITHIN_S)
        if look.host is not None and look.host.is_format_partial:
            look = self._look(_CANCEL_PARTIAL + b"~HI~HS", IDENTIFY_WITHIN_S)
        while look.host is not None and self._has_odometer is None:
            look = self._look(b"~HI~HS", IDENTIFY_WITHIN_S)

    def _look(self, query: bytes, within_s: float) -> _Look:
        """Ask ``query`` (with ``~HS`` in it) and the odometer. Raises DeviceUnavailable, and closes then."""
        is_unsure = self._has_odometer is None
        try:
            heard = self._opened().ask(
                query,
                None if self._has_odometer is False else _ODOMETER,
                within_s,
                value_within_s=UNSURE_WITHIN_S if is_unsure else None,
            )
            if heard.answers.identity is not None:
                self._learn_model(heard.answers.identity)
        except DeviceUnavailable:
            self.close()
            raise
        host = heard.answers.host
        if host is None and self._watch is not None:
            self._watch.look(None, False, self._clock.monotonic())
        self._tries += host is not None
        if heard.answers.values and not self._has_odometer:
            self._has_odometer = heard.answers.values[-1] != _UNKNOWN
        elif is_unsure and self._tries >= TRIES:
            self._has_odometer = False
        if host is not None and not host.is_format_partial:
            self._may_hold_part = False
        is_count = heard.value is not None and re.fullmatch("[0-9]{1,12}", heard.value)
        count = int(heard.value) if is_count and heard.value else None
        return _Look(host, heard.answers.extended, heard.answers.identity, count)

    def _learn_model(self, identity: Identity) -> None:
        """Raises DeviceUnavailable for a print head of another resolution than the site file says."""
        model = f"{identity.model} {identity.firmware}"
        dpi = {6: 152, 8: 203, 12: 300, 24: 600}[identity.dots_per_mm]
        if dpi != self._config.dpi:
            what = f"the site file says dpi = {self._config.dpi}, the printer ({model}) has {dpi}: set dpi = {dpi}"
            raise DeviceUnavailable(self._name, what)
        door = self._opened().door
        self._model = f"{model}, {door}" if door else model

    def _system_status(self) -> ExtendedStatus | None:
        """The fault of a printer that answers SGD but not ``~HS``, or None."""
        try:
            heard = self._opened().ask(b"", _SYSTEM_STATUS, SYSTEM_STATUS_WITHIN_S, wants_host=False)
        except DeviceUnavailable:
            self.close()
            raise
        return system_status(heard.value) if heard.value is not None else None

    def _opened(self) -> Connection:
        if self._connection is None:
            raise DeviceUnavailable(self._name, "the printer is not open")
        return self._connection


class ZplPrinter(ZplDevice):
    """A ``ports.WristbandPrinter`` over ZPL II."""

    def __init__(self, name: str, config: ZplConfig, clock: DeviceClock = MACHINE, doors: Doors = DOORS) -> None:
        super().__init__(name, config, clock, doors)
        self._band = Band(config.dpi, *config.band_mm, *config.printable_mm, config.margin_mm, *config.offset_mm)

    def render(self, sheet: WristbandSheet) -> bytes:
        try:
            return band_zpl(sheet, self._band)
        except ContentRefused as error:
            raise NotPrinted(self._name, Cause.CONTENT_REFUSED, str(error)) from None

    def render_self_test(self, sheet: SelfTestSheet) -> bytes:
        try:
            return self_test_zpl(sheet, self._band)
        except ContentRefused as error:
            raise NotPrinted(self._name, Cause.CONTENT_REFUSED, str(error)) from None


class ZplLabelPrinter(ZplDevice):
    """A ``ports.LabelPrinter`` over ZPL II."""

    def __init__(self, name: str, config: ZplLabelConfig, clock: DeviceClock = MACHINE, doors: Doors = DOORS) -> None:
        super().__init__(name, config, clock, doors)
        self._label = Label(config.dpi, *config.label_mm, config.margin_mm, config.symbology, *config.offset_mm)

    def render(self, sheet: LabelSheet) -> bytes:
        try:
            return label_zpl(sheet, self._label)
        except ContentRefused as error:
            raise NotPrinted(self._name, Cause.CONTENT_REFUSED, str(error)) from None

    def render_self_test(self, sheet: SelfTestSheet) -> bytes:
        try:
            return self_test_zpl(sheet, self._label)
        except ContentRefused as error:
            raise NotPrinted(self._name, Cause.CONTENT_REFUSED, str(error)) from None
