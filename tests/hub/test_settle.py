"""Which of two words about a sheet counts, in whatever order they come: answers of staff and proofs of machines."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from kioskd.core.printing import Cause, PrintState, ProofKind, SheetKind
from kioskd.hub.sheets import Sheet, settle
from tests.people import NOW

OVER = {PrintState.PRINTED, PrintState.UNKNOWN, PrintState.EXPIRED, PrintState.VOID}
MACHINE = st.sampled_from([ProofKind.COMPLETION, ProofKind.ODOMETER, ProofKind.FENCE, ProofKind.PATIENT])


def said(state: PrintState, proof: ProofKind | None = None, cause: Cause | None = None) -> Sheet:
    return Sheet(UUID(int=1), SheetKind.WRISTBAND, 1, state, proof, cause, NOW, "entrance", "bands")


reports = st.one_of(
    st.sampled_from([PrintState.QUEUED, PrintState.SENDING, PrintState.SENT]).map(said),
    st.sampled_from([said(PrintState.UNKNOWN, cause=c) for c in (Cause.RESTARTED, Cause.CONNECTION_LOST)]),
    st.just(said(PrintState.EXPIRED, cause=Cause.PAPER_OUT)),
    MACHINE.map(lambda proof: said(PrintState.PRINTED, proof)),
)
answers = st.sampled_from(["came out", "denied", "denied ticket", "replaced"])


def answered(known: Sheet | None, answer: str) -> Sheet | None:
    """What staff may do about it, as their commands do it; what they may not do changes nothing."""
    if known is None:
        return None
    if answer == "replaced":
        is_out = known.state is PrintState.PRINTED
        return replace(known, state=PrintState.VOID, cause=Cause.REPLACED) if is_out else known
    if known.state is not PrintState.UNKNOWN:
        return known
    if answer == "denied ticket":
        return replace(known, cause=Cause.DENIED)
    if answer == "denied":
        return replace(known, state=PrintState.VOID, cause=Cause.DENIED)
    return replace(known, state=PrintState.PRINTED, proof=ProofKind.STAFF, cause=None)


@given(st.lists(reports | answers, max_size=12))
def test_no_report_undoes_an_answer_or_a_proof(words: list[Sheet | str]) -> None:
    known: Sheet | None = None
    for word in words:
        before = known
        known = answered(known, word) if isinstance(word, str) else settle(known, word)
        if before is None or known is None or isinstance(word, str):
            continue
        if before.state is PrintState.VOID:
            assert (known.state, known.cause) == (PrintState.VOID, before.cause)
            assert before.proof is None or known.proof is before.proof
            if word.state is PrintState.PRINTED:
                assert known.proof is not None, "nobody would be told to destroy it"
        if before.state is PrintState.PRINTED:
            assert known == before
        if before.state in OVER:
            assert known.state in OVER
        if before.cause is Cause.DENIED and word.state is PrintState.UNKNOWN:
            assert known == before, "it would be asked again"


@given(st.lists(reports, min_size=1, max_size=8), st.data())
def test_what_a_station_says_again_after_the_answer_changes_nothing(words: list[Sheet], data: st.DataObject) -> None:
    known = said(PrintState.UNKNOWN, cause=Cause.CONNECTION_LOST)
    settled = answered(known, data.draw(st.sampled_from(["came out", "denied"])))
    assert settled is not None
    old = [word for word in words if word.state is not PrintState.PRINTED]
    for word in old:
        assert settle(settled, word) == settled


@given(st.permutations([said(PrintState.SENT), said(PrintState.UNKNOWN), said(PrintState.PRINTED, ProofKind.ODOMETER)]))
def test_a_proof_wins_in_every_order(words: list[Sheet]) -> None:
    known: Sheet | None = None
    for word in words:
        known = settle(known, word)
    assert known is not None
    assert (known.state, known.proof) == (PrintState.PRINTED, ProofKind.ODOMETER)
