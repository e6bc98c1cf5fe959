"""The check-in session at one kiosk: steps, and one function per input. The page shows the step, nothing else.

::

    WELCOME ─card_seen─> READING ─identified─> CONFIRM ─confirmed─> CHECKING_IN ─checked_in─> DONE
       ^                    │                     │                     │                       │
       │                    └─────refused─────────┴──── refused ────────┴─> ASKING_HELP ─> HELP │
       └────────────── card out and the page cleared (restart) <────────────────────────────────┘

A code is read beside the reader, on the welcome page only, so it never disturbs anybody::

    WELCOME ─code_shown──────────────────────────> LOOKING_UP ─identified─> CONFIRM
       └─────code_shown─> BIRTH_DATE ─date_given────────┘  (a letter or number alone stands for nobody)
                              └<──────── date_differs ──┘

Without the hub nobody can be identified: the page sends people to the desk at once, WELCOME takes no card, and what is
in hand ends by ``gave_up``. ``is_hub_there`` goes from session to session.

CHECKING_IN and ASKING_HELP are written to the station's database as an intent before the hub is asked; the answer
ends them. An input that does not fit the present step changes nothing: a second tap, a late answer, a card
of the next patient while this one reads their number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from kioskd.core.appointment import Appointment
from kioskd.core.birth_date import NOTHING_TYPED, TypedDate
from kioskd.core.identity import Card, Identified, Reason
from kioskd.core.patient import Patient
from kioskd.core.payload import CodeKind, LetterPayload, NumberPayload

IDLE_AFTER = timedelta(seconds=60)
"""Without an input the page asks "do you need more time?" (WCAG 2.2, 2.2.1)."""
IDLE_GRACE = timedelta(seconds=30)
"""How long it asks before it clears."""
ASKING_AT_MOST = timedelta(seconds=3)
"""Longest the page waits, whatever went wrong behind it (the hub itself has 2 s); then the patient goes to the desk."""
SHOWN_FOR = timedelta(seconds=20)
"""How long the last page of a session stays; the page counts down visibly and can be closed or kept earlier."""
NOTICE_FOR = timedelta(seconds=30)
"""How long a hint stays on the welcome page: it was for who stood there."""
MOST_WRONG_DATES = 2
"""So many birth dates that do not fit lead to the desk."""


class Step(StrEnum):
    """See the picture in the module's docstring."""

    WELCOME = "welcome"
    READING = "reading"
    BIRTH_DATE = "birth-date"
    LOOKING_UP = "looking-up"
    CONFIRM = "confirm"
    CHECKING_IN = "checking-in"
    DONE = "done"
    ASKING_HELP = "asking-help"
    HELP = "help"
    TAKE_CARD = "take-card"


WITHOUT_CARD = frozenset({"", CodeKind.LETTER.value, CodeKind.NUMBER.value})
"""What stands in place of a card's kind where none was read."""
ASKING_STEPS = frozenset({Step.CONFIRM, Step.BIRTH_DATE})
"""The patient is asked something. Who leaves then has broken off."""


@dataclass(frozen=True, slots=True)
class Session:
    """One patient at one kiosk. ``id`` becomes the id of the check-in. Cleared whole at the end."""

    id: UUID
    step: Step
    touched_at: datetime
    arrived_at: datetime
    language: str
    card_in_reader: bool = False
    card: Card | None = None
    patient: Patient | None = None
    appointment: Appointment | None = None
    label: str = ""
    area: str = ""
    was_checked_in_before: bool = False
    called_to: str = ""
    reason: Reason | None = None
    notice: str = ""
    """A short hint, or empty. On the welcome page: ``card-removed-early``, ``code-again``, ``code-unknown``, or what
    kind of code it was that is no use here (a ``core.payload.CodeKind``); where the birth date is asked:
    ``date-impossible`` or ``date-differs``."""
    proof: LetterPayload | NumberPayload | None = None
    """What was shown and needs a birth date beside it."""
    shown: str = ""
    """What was shown in place of a card: ``letter`` or ``number``."""
    typed: TypedDate = NOTHING_TYPED
    """The birth date as it was given last."""
    wrong_dates: int = 0
    is_hub_there: bool = True


def welcome(
    session_id: UUID, language: str, now: datetime, card_in_reader: bool = False, is_hub_there: bool = True
) -> Session:
    """A fresh session. With a card still in the reader the first thing to do is to take it out."""
    step = Step.TAKE_CARD if card_in_reader else Step.WELCOME
    return Session(session_id, step, now, now, language, card_in_reader, is_hub_there=is_hub_there)


def hub_left(s: Session) -> Session:
    """Nobody answers any more. What is in hand is answered, or given up, by itself."""
    return replace(s, is_hub_there=False, notice="")


def hub_returned(s: Session) -> Session:
    """The hub answers again."""
    return replace(s, is_hub_there=True)


def card_seen(s: Session, fresh_id: UUID, now: datetime) -> Session:
    """A card went in. On a page of somebody who has finished or left, it begins the next session.

    Without the hub it can only be taken out again.
    """
    if s.step in {Step.CHECKING_IN, Step.ASKING_HELP}:
        return replace(s, card_in_reader=True)
    step = Step.READING if s.is_hub_there else Step.TAKE_CARD
    if s.step is Step.WELCOME:
        return replace(s, step=step, card_in_reader=True, arrived_at=now, touched_at=now, notice="")
    fresh = welcome(fresh_id, s.language, now, is_hub_there=s.is_hub_there)
    return replace(fresh, step=step, card_in_reader=True)


def card_removed(s: Session, now: datetime) -> Session:
    """The reader is empty. Taking the card before it was read ends the attempt with a hint."""
    if s.step is Step.TAKE_CARD:
        return replace(s, step=Step.WELCOME, card_in_reader=False, touched_at=now)
    if s.step is Step.READING:
        return replace(s, step=Step.WELCOME, card_in_reader=False, touched_at=now, notice="card-removed-early")
    return replace(s, card_in_reader=False)


def code_shown(s: Session, proof: LetterPayload | NumberPayload | None, now: datetime) -> Session:
    """A code that is a card, or a ``proof`` that needs a birth date. It begins a session and disturbs none."""
    if s.step is not Step.WELCOME or not s.is_hub_there:
        return s
    step = Step.BIRTH_DATE if proof else Step.LOOKING_UP
    kind = CodeKind.NUMBER if isinstance(proof, NumberPayload) else CodeKind.LETTER
    shown = kind.value if proof else ""
    return replace(s, step=step, proof=proof, shown=shown, arrived_at=now, touched_at=now, notice="")


def code_of_no_use(s: Session, notice: str, now: datetime) -> Session:
    """A code that can't be used: say so kindly, and nothing has happened."""
    return replace(s, notice=notice, touched_at=now) if s.step is Step.WELCOME and s.is_hub_there else s


def notice_clears_at(s: Session) -> datetime | None:
    """When a hint on the welcome page has been there long enough."""
    return s.touched_at + NOTICE_FOR if s.step is Step.WELCOME and s.notice else None


def notice_cleared(s: Session) -> Session:
    """The hint goes; the page stays as it is."""
    return replace(s, notice="")


def date_impossible(s: Session, typed: TypedDate, now: datetime) -> Session:
    """What was typed is no date of birth: it stays to be mended, and no try is used up."""
    if s.step is not Step.BIRTH_DATE:
        return s
    return replace(s, typed=typed, notice="date-impossible", touched_at=now)


def date_given(s: Session, typed: TypedDate, now: datetime) -> Session:
    """A birth date was given: ask the hub."""
    if s.step is not Step.BIRTH_DATE:
        return s
    return replace(s, step=Step.LOOKING_UP, typed=typed, notice="", touched_at=now)


def date_differs(s: Session, now: datetime) -> Session:
    """It does not fit what was shown, or nobody knows what was shown: the page does not say which."""
    if s.step is not Step.LOOKING_UP:
        return s
    return replace(s, step=Step.BIRTH_DATE, wrong_dates=s.wrong_dates + 1, notice="date-differs", touched_at=now)


def card_found_in(s: Session) -> Session:
    """A card that was tried before is still in: nobody begins with it."""
    return replace(s, step=Step.TAKE_CARD if s.step is Step.WELCOME else s.step, card_in_reader=True, notice="")


def identified(s: Session, card: Card | None, found: Identified, now: datetime) -> Session:
    """The card, or the code and the birth date, agree with one patient: ask "is this you?"."""
    if s.step not in {Step.READING, Step.LOOKING_UP}:
        return s
    return replace(
        s,
        step=Step.CONFIRM,
        card=card,
        patient=found.patient,
        appointment=found.appointment,
        touched_at=now,
        proof=None,
        typed=NOTHING_TYPED,
    )


def is_card_wanted(s: Session) -> bool:
    """Whether a card was read that does not say all that the insurer asks for: the desk has to read it too."""
    return s.card is not None and not s.card.suffices_for_billing


def confirmed(s: Session, now: datetime) -> Session:
    """The patient said yes. Write the intent, then ask the hub."""
    return replace(s, step=Step.CHECKING_IN, touched_at=now) if s.step is Step.CONFIRM else s


def refused(s: Session, reason: Reason, now: datetime, patient: Patient | None = None) -> Session:
    """This can't be settled here: write the intent of a help ticket, then ask the hub.

    Also from CHECKING_IN: the hub refused for a reason of its own.
    """
    if s.step in {Step.ASKING_HELP, Step.DONE, Step.HELP}:
        return s
    # Who asks without a card came now: the welcome page may have waited for hours.
    arrived_at = now if s.step in {Step.WELCOME, Step.TAKE_CARD} else s.arrived_at
    return replace(
        s,
        step=Step.ASKING_HELP,
        reason=reason,
        patient=patient or s.patient,
        arrived_at=arrived_at,
        touched_at=now,
        proof=None,
        typed=NOTHING_TYPED,
    )


def checked_in(s: Session, label: str, area: str, before: bool, now: datetime, called_to: str = "") -> Session:
    """The hub committed the check-in. ``called_to``: it did so earlier, and the number is being called to that room."""
    if s.step is not Step.CHECKING_IN:
        return s
    done = replace(s, step=Step.DONE, label=label, area=area, touched_at=now)
    return replace(done, was_checked_in_before=before, called_to=called_to)


def help_issued(s: Session, label: str, now: datetime) -> Session:
    """The hub committed the help ticket. An empty label: the hub could not be asked, the desk is still there."""
    if s.step is not Step.ASKING_HELP:
        return s
    return replace(s, step=Step.HELP, label=label, touched_at=now)


def touched(s: Session, now: datetime) -> Session:
    """The patient did something, or asked for more time."""
    return replace(s, touched_at=now)


def language_chosen(s: Session, language: str, now: datetime) -> Session:
    """The page changes its language and keeps everything else."""
    return replace(s, language=language, touched_at=now)


def is_idle(s: Session, now: datetime) -> bool:
    """Whether to ask "do you need more time?"."""
    return s.step in ASKING_STEPS and now - s.touched_at >= IDLE_AFTER


def gives_up_at(s: Session) -> datetime | None:
    """When a page that waits for the hub stops waiting, or None when it does not wait for it."""
    return s.touched_at + ASKING_AT_MOST if s.step in {Step.CHECKING_IN, Step.ASKING_HELP} else None


def gave_up(s: Session, now: datetime) -> Session:
    """No answer, so no number: the patient goes to the desk, and what was asked is asked again behind their back."""
    if s.step not in {Step.CHECKING_IN, Step.ASKING_HELP}:
        return s
    return replace(s, step=Step.HELP, label="", reason=Reason.HUB_UNREACHABLE, touched_at=now)


def clears_at(s: Session) -> datetime | None:
    """When the page clears by itself, or None when it waits for something."""
    match s.step:
        case Step.CONFIRM | Step.BIRTH_DATE:
            return s.touched_at + IDLE_AFTER + IDLE_GRACE
        case Step.DONE | Step.HELP:
            return s.touched_at + SHOWN_FOR
        case _:
            return None


def language_returns_at(s: Session, default: str) -> datetime | None:
    """When a welcome page that somebody left in another language goes back to the site's first one."""
    return s.touched_at + IDLE_AFTER if s.step is Step.WELCOME and s.language != default else None


def restart(s: Session, fresh_id: UUID, language: str, now: datetime) -> Session:
    """Clear everything of this patient; with the card still in the reader, ask for it to be taken."""
    if s.step in {Step.CHECKING_IN, Step.ASKING_HELP}:
        return s
    return welcome(fresh_id, language, now, s.card_in_reader, s.is_hub_there)
