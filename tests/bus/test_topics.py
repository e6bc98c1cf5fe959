import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from kioskd.bus.topics import BEAT_EVERY_S, VALID_FOR_S, DisplayState, SiteTopics, Status, display_state
from kioskd.core.display import Call, Snapshot

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SNAPSHOT = Snapshot("main", "Wartebereich 1", 3, 42, NOON, (Call("A12", "Zimmer 3", NOON, 2),), 7)


def test_a_picture_says_what_the_snapshot_says():
    assert json.loads(display_state(SNAPSHOT).model_dump_json()) == {
        "v": 1,
        "area": "main",
        "area_name": "Wartebereich 1",
        "epoch": 3,
        "version": 42,
        "at": "2026-11-23T12:00:00Z",
        "calls": [{"label": "A12", "room": "Zimmer 3", "called_at": "2026-11-23T12:00:00Z", "times_called": 2}],
        "waiting_count": 7,
    }


def test_nothing_of_a_patient_but_the_label_has_a_place_on_a_display():
    def fields(schema: dict) -> set[str]:
        own = set(schema.get("properties", {}))
        return own.union(*(fields(part) for part in schema.get("$defs", {}).values()))

    seen = fields(DisplayState.model_json_schema()) | fields(Status.model_json_schema())
    of_the_ticket = {"label", "room", "called_at", "times_called"}
    of_the_area = {"area", "area_name", "epoch", "version", "at", "calls", "waiting_count"}
    assert seen == {"v", "state"} | of_the_ticket | of_the_area


def test_a_reader_ignores_a_field_that_it_does_not_know():
    newer = json.loads(display_state(SNAPSHOT).model_dump_json()) | {"message": "Grippeimpfung heute"}
    assert DisplayState.model_validate(newer) == display_state(SNAPSHOT)


def test_a_picture_of_another_version_of_the_shape_is_refused():
    other = json.loads(display_state(SNAPSHOT).model_dump_json()) | {"v": 2}
    with pytest.raises(ValidationError):
        DisplayState.model_validate(other)


@pytest.mark.parametrize(
    "wrong", ["", "Main", "main/1", "+", "#", "main hall", "-main", "main-", "a" * 64, "größe", "main\n"]
)
def test_an_id_that_would_change_the_topic_is_refused(wrong: str):
    with pytest.raises(ValueError, match="a to z"):
        SiteTopics(wrong)
    with pytest.raises(ValueError, match="a to z"):
        SiteTopics("praxis").display_state(wrong)
    with pytest.raises(ValueError, match="a to z"):
        SiteTopics("praxis").request(wrong)


def test_topic_names_are_the_ones_that_other_systems_were_promised():
    topics = SiteTopics("praxis-am-markt")
    assert topics.status == "kioskd/praxis-am-markt/status"
    assert topics.display_state("wait-2") == "kioskd/praxis-am-markt/display/wait-2/state"
    assert topics.orders("entrance") == "kioskd/praxis-am-markt/station/entrance/orders"
    assert topics.request("check-in") == "kioskd/praxis-am-markt/request/check-in"
    assert Status.model_validate_json(topics.presence.offline).state == "offline"


def test_two_beats_may_be_lost_before_a_picture_counts_as_old():
    assert VALID_FOR_S >= 3 * BEAT_EVERY_S
