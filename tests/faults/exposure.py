"""How far a unit is open, as ``systemd-analyze security`` scores it: 0 (nothing reaches it) to 10.

Needs no running systemd.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

DAEMON = Path(__file__).parents[2] / "systemd" / "kioskd.service"


def exposure(unit: Path = DAEMON, drop_ins: Sequence[Path] = ()) -> float:
    """The exposure of a unit file, with drop-ins as they would be installed. Raises RuntimeError."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "etc/systemd/system"
        (folder / f"{unit.name}.d").mkdir(parents=True)
        shutil.copy(unit, folder)
        for drop_in in drop_ins:
            shutil.copy(drop_in, folder / f"{unit.name}.d")
        name = unit.name.replace("@.", "@kiosk.")
        command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", f"--root={root}", name]
        said = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", said.stdout)
    if found is None:
        raise RuntimeError(f"systemd-analyze did not score {unit.name}: {said.stderr.strip() or said.stdout.strip()}")
    return float(found[1])
