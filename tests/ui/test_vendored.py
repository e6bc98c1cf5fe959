"""Other people's files are listed, unchanged, and no more than what the pages use."""

import hashlib
import re
from itertools import chain

from ui import FOLDER

STATIC = FOLDER / "static"
LISTED = dict(
    re.findall(
        r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", (STATIC / "vendor" / "VENDORED.md").read_text(), re.MULTILINE
    )
)
PAGES = [*FOLDER.rglob("*.html"), *FOLDER.rglob("*.js")]


def test_every_vendored_file_is_listed_with_its_sum():
    there = {
        f"{p.parent.name}/{p.name}": hashlib.sha256(p.read_bytes()).hexdigest()
        for p in chain((STATIC / "vendor").iterdir(), (STATIC / "fonts").iterdir())
        if p.name != "VENDORED.md"
    }
    assert there == LISTED


def test_the_sprite_has_the_icons_that_pages_use_and_no_others():
    has = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
    texts = "\n".join(p.read_text() for p in PAGES if "vendor" not in p.parts)
    uses = set(re.findall(r"""\bicon\(\s*["']([\w-]+)["']""", texts))
    # An icon that is chosen in Python or by an expression is named in the template as `icon: name`.
    uses |= set(re.findall(r"\{#\s*icon:\s*([\w-]+)\s*#\}", texts))
    assert has == uses
