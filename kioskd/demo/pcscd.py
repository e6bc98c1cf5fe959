"""A private pcscd with the virtual reader: nothing listens on the host, and any number run side by side.

pcscd has its socket's path compiled in, and the virtual reader (vpcd) listens on all addresses. So both get
namespaces of their own: mount (a private folder on /run/pcscd), network (nobody else reaches vpcd's ports) and PID.
A small shell is process 1 in there and starts and kills pcscd on request. When its stdin closes, that is when we end,
however we end, it clears its folder away and ends, and with it the kernel ends everything else in the PID
namespace. Without root a user namespace makes all this possible. The host's own readers are left alone: pcscd
sees no reader driver but vpcd.

A client sets ``PCSCLITE_CSOCK_NAME`` to ``socket_path`` before its first use of libpcsclite; that is process-wide.
The virtual card must be in the network namespace of ``namespace_pid`` (``drivers.pcsc.virtual_process``).
"""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from kioskd.errors import StartRefused

PORT = 35963
"""vpcd's port inside the namespace; its second slot listens on the next one."""
READER_NAME = "Virtual PCD"

_RESTART_WITHIN_S = 10.0
_LONGEST_SOCKET_PATH = 107
"""unix(7): sun_path has 108 bytes with the final zero."""
_LIBRARY_FOLDER = Path("/usr/lib/pcsc/drivers")
_READER_CONF = Path("/etc/reader.conf.d/vpcd")
_POLL_S = 0.005

_INIT = """
set -eu
dir=$1; shift
if [ ! -d /run/pcscd ]; then
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir /run/pcscd
fi
mount --bind "$dir/run" /run/pcscd
mount --bind "$dir/none" "$1"; shift
ip link set lo up
read -r pid rest </proc/self/stat
echo "ready $pid"
while read -r command; do
    case $command in
    start) "$@" </dev/null >>"$dir/log" 2>&1 & daemon=$!; echo started;;
    kill) kill -KILL "$daemon" 2>/dev/null || true; wait "$daemon" 2>/dev/null || true; echo killed;;
    esac
done
rm -rf -- "$dir"
"""
"""Process 1 of the namespaces. /proc is the host's, so the pid that it tells is the one that we see."""


class PrivatePcscd:
    """One pcscd with two virtual reader slots. A context manager; blocking, for one thread at a time.

    Every method raises StartRefused with what to do about it.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._init: subprocess.Popen[str] | None = None
        self._namespace_pid = 0

    @property
    def socket_path(self) -> Path:
        """For ``PCSCLITE_CSOCK_NAME``; stays the same over ``restart``."""
        return self._path / "run" / "pcscd.comm"

    @property
    def namespace_pid(self) -> int:
        """Process 1 of the namespaces, as seen from here; stays the same over ``restart``."""
        return self._namespace_pid

    @property
    def port(self) -> int:
        return PORT

    @property
    def log(self) -> str:
        """What pcscd has said so far."""
        path = self._path / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, within_s: float = 10.0) -> None:
        """Returns when the virtual reader listens and pcscd lists it."""
        deadline = time.monotonic() + within_s
        command = _pcscd_command()
        library = _vpcd_library()
        try:
            self._fill_folder(library)
            self._enter_namespaces([*command, "--config", str(self._path / "conf")], deadline)
            self._start_daemon(deadline)
        except BaseException:
            self.stop()
            raise

    def kill(self) -> None:
        """End pcscd without warning, as a crash would. The namespaces and the virtual card live on."""
        self._ask("kill", "killed", time.monotonic() + _RESTART_WITHIN_S)

    def restart(self, within_s: float = _RESTART_WITHIN_S) -> None:
        """Kill pcscd if it runs and start it again at the same place."""
        deadline = time.monotonic() + within_s
        self._ask("kill", "killed", deadline)
        self._start_daemon(deadline)

    def unplug(self, within_s: float = _RESTART_WITHIN_S) -> None:
        """Take the reader away: pcscd goes on without one, until ``restart``."""
        deadline = time.monotonic() + within_s
        self._ask("kill", "killed", deadline)
        plugged, apart = self._path / "conf" / "vpcd", self._path / "vpcd"
        plugged.rename(apart)
        try:
            self._ask("start", "started", deadline)
            _wait_until_accepting(self.socket_path, deadline)
        finally:
            apart.rename(plugged)  # read at the start only

    def stop(self) -> None:
        """End everything. MAY be called twice."""
        if self._init is not None and self._init.stdin is not None and self._init.stdout is not None:
            self._init.stdin.close()
            try:
                self._init.wait(5)
            except subprocess.TimeoutExpired:
                # `unshare --kill-child` takes process 1 with it, and the kernel the rest.
                self._init.kill()
                self._init.wait()
            self._init.stdout.close()
        if self._folder is not None:
            self._folder.cleanup()
        self._init = self._folder = None

    @property
    def _path(self) -> Path:
        if self._folder is None:
            raise StartRefused("the private pcscd is not started")
        return Path(self._folder.name)

    def _fill_folder(self, library: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="kioskd-pcscd-")
        for name in ("run", "conf", "none"):
            (self._path / name).mkdir()
        if len(os.fsencode(self.socket_path)) > _LONGEST_SOCKET_PATH:
            raise StartRefused(f"{self.socket_path} is too long for a socket; set TMPDIR to a shorter folder")
        # A copy: the folder that it comes from is hidden in the namespace, with the drivers of real readers.
        mine = self._path / library.name
        shutil.copyfile(library, mine)
        lines = (
            f'FRIENDLYNAME "{READER_NAME}"',
            f"DEVICENAME /dev/null:0x{PORT:X}",
            f"LIBPATH {mine}",
            f"CHANNELID 0x{PORT:X}",
        )
        (self._path / "conf" / "vpcd").write_text("\n".join(lines) + "\n")

    def _enter_namespaces(self, daemon: list[str], deadline: float) -> None:
        as_user = [] if os.geteuid() == 0 else ["--map-root-user"]
        unshare = ["unshare", *as_user, "--mount", "--net", "--pid", "--fork", "--kill-child"]
        with (self._path / "log").open("w") as log:
            self._init = subprocess.Popen(
                [*unshare, "sh", "-c", _INIT, "pcscd-namespaces", str(self._path), str(_LIBRARY_FOLDER), *daemon],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._namespace_pid = int(self._read("ready", deadline).split()[1])

    def _start_daemon(self, deadline: float) -> None:
        probe = subprocess.Popen(
            [sys.executable, "-m", "kioskd.demo.pcscd", f"{deadline - time.monotonic():.3f}"],
            env={**os.environ, "PCSCLITE_CSOCK_NAME": str(self.socket_path), "PYTHONPATH": _python_path()},
            stdout=subprocess.DEVNULL,
        )
        try:
            self._ask("start", "started", deadline)
            self._wait_until_listening(deadline)
            code = probe.wait(max(0.0, deadline - time.monotonic()) + 1)
        except BaseException:
            probe.kill()
            probe.wait()
            raise
        if code != 0:
            raise self._refused(f"pcscd does not list a reader {READER_NAME!r}")

    def _wait_until_listening(self, deadline: float) -> None:
        """Wait for vpcd's port. Read from the kernel: a connection to see whether it is there would be a card."""
        table = Path(f"/proc/{self._namespace_pid}/net/tcp")
        listening = re.compile(rf":{PORT:04X} \S+ 0A ")
        while not listening.search(table.read_text()):
            if time.monotonic() > deadline:
                raise self._refused(f"the virtual reader does not listen on port {PORT}")
            time.sleep(_POLL_S)

    def _ask(self, command: str, answer: str, deadline: float) -> None:
        if self._init is None or self._init.stdin is None:
            raise StartRefused("the private pcscd is not started")
        try:
            self._init.stdin.write(command + "\n")
            self._init.stdin.flush()
        except OSError:
            raise self._refused("the namespaces of pcscd are gone") from None
        self._read(answer, deadline)

    def _read(self, expected: str, deadline: float) -> str:
        """The next line of process 1, which must begin with ``expected``."""
        stdout = self._init.stdout if self._init is not None else None
        if stdout is None or not select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise self._refused(f"the namespaces of pcscd did not answer {expected!r} in time")
        line = stdout.readline()
        if not line.startswith(expected):
            raise self._refused("the namespaces of pcscd could not be made (root or user namespaces are needed)")
        return line

    def _refused(self, what: str) -> StartRefused:
        return StartRefused(f"{what}; pcscd said: {self.log.strip()[-500:] or 'nothing'}")


def _wait_until_accepting(path: Path, deadline: float) -> None:
    """Wait until somebody takes connections to a socket. Raises StartRefused."""
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                return
        time.sleep(_POLL_S)
    raise StartRefused("pcscd without a reader does not take connections")


def _pcscd_command() -> list[str]:
    """The command line of pcscd. From 2.0 on it asks polkit about every client unless told not to; before, it must
    not be told.
    """
    for program, package in (("pcscd", "pcscd"), ("unshare", "util-linux"), ("ip", "iproute2")):
        if shutil.which(program, path=_program_path()) is None:
            raise StartRefused(f"the program {program} is missing; install it: apt-get install {package}")
    pcscd = shutil.which("pcscd", path=_program_path()) or "pcscd"
    usage = subprocess.run([pcscd, "--help"], capture_output=True, text=True, timeout=5, check=False).stdout
    without_polkit = ["--disable-polkit"] if "--disable-polkit" in usage else []
    return [pcscd, "--foreground", *without_polkit]


def _program_path() -> str:
    """PATH with the folders of system programs, which a user's own often lacks."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def _vpcd_library() -> Path:
    """The reader driver of the virtual reader, from where its package registers it."""
    registered = re.search(r"^LIBPATH\s+(\S+)", _READER_CONF.read_text(), re.M) if _READER_CONF.exists() else None
    library = Path(registered[1]) if registered else _LIBRARY_FOLDER / "serial" / "libifdvpcd.so"
    if not library.exists():
        raise StartRefused("pcscd's virtual reader is missing; install it: apt-get install vsmartcard-vpcd")
    return library


def _python_path() -> str:
    here = str(Path(__file__).resolve().parents[2])
    return os.pathsep.join(part for part in (here, os.environ.get("PYTHONPATH", "")) if part)


def _wait_for_reader(within_s: float) -> bool:
    """Whether pcscd lists the virtual reader. In a process of its own: libpcsclite knows one socket per process."""
    from smartcard import scard

    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        if code == scard.SCARD_S_SUCCESS:
            _, names = scard.SCardListReaders(context, [])
            scard.SCardReleaseContext(context)
            if any(name.startswith(READER_NAME) for name in names):
                return True
        time.sleep(_POLL_S)
    return False


if __name__ == "__main__":
    sys.exit(0 if _wait_for_reader(float(sys.argv[1])) else 1)
