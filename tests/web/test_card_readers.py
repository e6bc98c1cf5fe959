"""What the console says of a card reader, in English and German."""

from __future__ import annotations

from pathlib import Path

import pytest

from kioskd.hub.view import DeviceRow
from kioskd.station.reading import CARD_HELD_ELSEWHERE, CARD_LEFT_IN
from tests.web.console_rig import console
from tests.web.front_desk import NOW

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORDS = {
    ("en", CARD_LEFT_IN): "A card was left in the reader.",
    ("en", CARD_HELD_ELSEWHERE): "Another program holds the cards that are put in.",
    ("de", CARD_LEFT_IN): "Im Leser steckt eine vergessene Karte.",
    ("de", CARD_HELD_ELSEWHERE): "Ein anderes Programm hält die eingesteckten Karten fest.",
}


@pytest.mark.parametrize(("language", "what"), WORDS)
async def test_a_reader_that_needs_a_hand_is_an_alert_in_words(tmp_path: Path, language: str, what: str) -> None:
    async with console(tmp_path, language=language) as rig, rig.client() as client:
        await rig.sign_in(client)
        rig.desk.devices = (DeviceRow("entrance", "card-reader", "card-reader", "needs-attention", what, NOW),)
        text = (await client.get("/")).text
    alerts = text.partition('<section class="alerts"')[2].partition("</section>")[0]
    assert WORDS[language, what] in alerts
    assert what not in text
