"""python-escpos 3.1, imported so that it leaves nothing behind.

Importing it makes a temporary folder that stays, parses its 150 kB printer database with a slow YAML parser (2 s on
a small PC) and adds a handler to the root logger. Here it parses a stub instead, gets the whole database through
``json``, and both leftovers are taken away. Any other user of python-escpos in the process finds it as usual.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

_FILE = "ESCPOS_CAPABILITIES_FILE"
_PICKLE = "ESCPOS_CAPABILITIES_PICKLE_DIR"


def _import_capabilities() -> None:
    database = json.loads(files("escpos").joinpath("capabilities.json").read_text("utf-8"))
    before = {name: os.environ.pop(name, None) for name in (_FILE, _PICKLE)}
    handlers = list(logging.getLogger().handlers)
    try:
        with TemporaryDirectory(prefix="kioskd-escpos-") as folder:
            stub = Path(folder) / "capabilities.json"
            stub.write_text('{"profiles": {"default": {}}, "encodings": {}}', "utf-8")
            os.environ[_FILE] = str(stub)
            from escpos import capabilities
    finally:
        os.environ.pop(_FILE, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})
        logging.getLogger().handlers[:] = handlers
    shutil.rmtree(capabilities.pickle_dir, ignore_errors=True)
    # In place: python-escpos has already taken references to these dictionaries.
    capabilities.CAPABILITIES["profiles"]["default"].update(database["profiles"].pop("default"))
    for part in ("profiles", "encodings"):
        capabilities.CAPABILITIES[part].update(database[part])


if "escpos.capabilities" not in sys.modules:
    _import_capabilities()

from escpos.capabilities import Profile  # noqa: E402
from escpos.printer import Dummy  # noqa: E402

__all__ = ["Dummy", "Profile"]
