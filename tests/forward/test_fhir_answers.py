from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kioskd.errors import ForwardError, Rejected, Unreachable
from kioskd.forward.answers import Conflict, failure, retry_after_s, transaction_failure

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def outcome(**issue: Any) -> dict[str, Any]:
    return {"resourceType": "OperationOutcome", "issue": [{"severity": "error", **issue}]}


@pytest.mark.parametrize("status", [200, 201, 204])
def test_a_status_of_success_is_no_failure(status: int) -> None:
    assert failure(status, "transaction") is None


@pytest.mark.parametrize("status", [408, 421, 423, 424, 425, 429, 500, 501, 502, 503, 504, 599, 302, 303, 307])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert type(failure(status, "transaction")) is Unreachable


@pytest.mark.parametrize(
    ("status", "key"), [(401, "records_token_file"), (403, "records_token_file"), (301, "records_url")]
)
def test_a_set_up_that_must_be_put_right_waits_and_says_which_key(status: int, key: str) -> None:
    error = failure(status, "transaction")
    assert type(error) is Unreachable
    assert key in str(error)


@pytest.mark.parametrize("status", [409, 412])
def test_a_conflict_is_decided_again(status: int) -> None:
    assert type(failure(status, "transaction")) is Conflict


@pytest.mark.parametrize("status", [400, 404, 405, 406, 410, 413, 415, 422, 418])
def test_what_will_never_pass_is_rejected(status: int) -> None:
    assert isinstance(failure(status, "transaction"), Rejected)


def test_a_rejection_tells_code_and_place_and_no_words_of_the_server() -> None:
    body = outcome(code="business-rule", expression=["Encounter.class"], diagnostics="Erika Mustermann, 1964-08-12")
    refusal = failure(422, "transaction", body)
    assert isinstance(refusal, Rejected)
    assert refusal.code == "business-rule"
    assert str(refusal) == "business-rule: transaction: HTTP 422, business-rule at Encounter.class"


def test_a_place_that_quotes_a_value_is_left_out() -> None:
    body = outcome(code="value", expression=["Patient.name.where(family='Mustermann')", "Patient.name[0]"])
    assert str(failure(400, "read Patient", body)) == "value: read Patient: HTTP 400, value at Patient.name[0]"


def test_the_error_counts_and_not_the_hint_before_it() -> None:
    body = outcome(code="required")
    body["issue"].insert(0, {"severity": "information", "code": "informational"})
    refusal = failure(422, "transaction", body)
    assert isinstance(refusal, Rejected)
    assert refusal.code == "required"


@given(st.integers(300, 599), JSON | st.builds(lambda i: {"resourceType": "OperationOutcome", "issue": i}, JSON))
def test_any_body_of_a_refusal_is_survived(status: int, body: Any) -> None:
    assert isinstance(failure(status, "transaction", body), ForwardError)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("Mon, 23 Nov 2026 08:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 07:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 08:00:30 -0000", 30.0),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
        ("", None),
        ("Mon, 99 Nov 2026 08:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds


@given(st.text(max_size=40))
def test_any_retry_after_is_survived(header: str) -> None:
    seconds = retry_after_s(header, NOW)
    assert seconds is None or seconds >= 0


def answered(*statuses: str) -> dict[str, Any]:
    entries = [{"response": {"status": status}} for status in statuses]
    return {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}


def test_a_transaction_is_done_when_all_its_entries_are() -> None:
    assert transaction_failure(answered("201 Created", "200"), 2) is None


def test_one_refused_entry_refuses_the_transaction_though_another_one_conflicts() -> None:
    assert isinstance(transaction_failure(answered("412 Precondition Failed", "400 Bad Request"), 2), Rejected)
    assert isinstance(transaction_failure(answered("201", "412 Precondition Failed"), 2), Conflict)


def test_an_entry_tells_its_own_outcome() -> None:
    bundle = answered("201", "422 Unprocessable Entity")
    bundle["entry"][1]["response"]["outcome"] = outcome(code="invariant", expression=["Appointment.end"])
    assert str(transaction_failure(bundle, 2)) == (
        "invariant: transaction entry 1: HTTP 422, invariant at Appointment.end"
    )


@pytest.mark.parametrize("bundle", [None, [], {}, answered("200"), answered("200", ""), answered("200", "2000")])
def test_an_answer_that_does_not_say_so_is_not_taken_for_success(bundle: Any) -> None:
    assert type(transaction_failure(bundle, 2)) is Unreachable


@given(JSON | st.builds(lambda entries: {"entry": entries}, st.lists(JSON, min_size=2, max_size=2)))
def test_any_transaction_answer_without_statuses_is_a_failure(bundle: Any) -> None:
    assert isinstance(transaction_failure(bundle, 2), ForwardError)
