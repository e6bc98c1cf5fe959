"""The command line. ``kioskd --help`` lists the commands."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from kioskd import __version__, log, memory
from kioskd.errors import ConfigError, KioskdError

EX_CONFIG = 78
"""sysexits.h: the unit file does not restart the daemon after this one."""
LOG_LEVELS = ("debug", "info", "warning", "error")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; its exit code: 0 good, 1 not good, 2 wrong call, 78 a bad site file."""
    options = _parser().parse_args(arguments)
    try:
        if arguments is None:  # a process of our own: any command may open a database
            memory.keep_private()
        return int(options.command(options) or 0)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EX_CONFIG
    except KioskdError as error:
        print(f"kioskd: {error}", file=sys.stderr)
        return 1
    except BaseExceptionGroup as group:
        # A crashed part: its own errors say enough to a person; anything else is a bug and shows itself whole.
        known, bugs = group.split(KioskdError)
        if known is None or bugs is not None:
            raise
        for line in _texts(known):
            print(f"kioskd: {line}", file=sys.stderr)
        return 1


def _texts(group: BaseException) -> list[str]:
    if isinstance(group, BaseExceptionGroup):
        return [text for error in group.exceptions for text in _texts(error)]
    return [str(group)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("kioskd", description="The front desk of a clinic, and the hardware it stands on.")
    parser.add_argument("--version", action="version", version=f"kioskd {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the daemon")
    run.add_argument("--config", type=Path, required=True, metavar="FILE", help="the site file")
    run.add_argument("--log-level", choices=LOG_LEVELS, default="info", help="debug says more; never patient data")
    run.set_defaults(command=_run)

    demo = commands.add_parser("demo", help="a whole front desk on this machine, with simulated hardware")
    demo.add_argument("--once", action="store_true", help="check in one patient, print the timeline, and end")
    demo.add_argument("--split", action="store_true", help="station, hub and records as three processes")
    demo.set_defaults(command=_demo)

    simulate = commands.add_parser("simulate", help="the simulated hardware alone, as a process")
    simulate.add_argument("--control", type=Path, required=True, metavar="SOCKET", help="Unix socket for commands")
    simulate.add_argument("--namespace", type=int, metavar="PID", help="a process in the network namespace of pcscd")
    simulate.add_argument("--vpcd-port", type=int, default=35963, help="where the virtual reader of pcscd listens")
    simulate.add_argument("--no-mechanics", action="store_true", help="paper moves in no time")
    simulate.set_defaults(command=_simulate)

    check = commands.add_parser("check", help="check a site file")
    check.add_argument("file", type=Path)
    check.set_defaults(command=_check)

    drivers = commands.add_parser("drivers", help="list the installed drivers and kinds of cards")
    drivers.set_defaults(command=_drivers)

    doctor = commands.add_parser("doctor", help="say what this machine has, lacks and should have")
    doctor.add_argument("file", type=Path, nargs="?", help="a site file, to try what it names")
    doctor.add_argument("--scanner", metavar="NAME", help="how to set a barcode scanner, and whether it is set right")
    doctor.add_argument("--picture", type=Path, metavar="PNG", help="write the code that it should scan, to print")
    doctor.set_defaults(command=_doctor)

    _add_user_commands(commands.add_parser("user", help="accounts of staff"))

    outbox = commands.add_parser("outbox", help="what is not delivered yet")
    outbox.add_argument("what", choices=["list", "retry"], help="retry: try again what was refused")
    outbox.add_argument("--config", type=Path, required=True, metavar="FILE")
    outbox.set_defaults(command=_outbox)

    broker = commands.add_parser("broker", help="write the files of a mosquitto for this site")
    broker.add_argument("folder", type=Path)
    broker.add_argument("--config", type=Path, required=True, metavar="FILE")
    broker.add_argument("--station", action="append", default=[], metavar="NAME", help="one on a kiosk PC of its own")
    broker.add_argument("--certificate", type=Path, metavar="FILE", help="the broker's; it then listens by TLS")
    broker.add_argument("--key", type=Path, metavar="FILE", help="the certificate's private key")
    broker.add_argument("--listen", default="0.0.0.0", metavar="ADDRESS", help="where, with a certificate")  # noqa: S104
    broker.set_defaults(command=_broker)

    audit = commands.add_parser("audit", help="the audit trail")
    audit.add_argument("what", choices=["verify"], help="check every chain of every database")
    audit.add_argument("--config", type=Path, required=True, metavar="FILE")
    audit.add_argument("--head", action="append", default=[], metavar="HEAD", help="one that the log or you noted")
    audit.set_defaults(command=_audit)
    return parser


def _add_user_commands(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["add", "reset", "disable", "enable", "list"])
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--role", action="append", default=[], help="receptionist, clinician, secretary or admin")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.set_defaults(command=_user)


def _run(options: argparse.Namespace) -> int:
    from kioskd import config
    from kioskd.station.templates import load_form

    site = config.load(options.config)
    load_form(site.ticket, site.site.languages)  # before anything is opened: it is a part of the site file
    log.set_up(logging.getLevelNamesMapping()[options.log_level.upper()])
    from kioskd import app

    asyncio.run(app.run(site, options.config, options.config.read_text(encoding="utf-8")))
    return 0


def _demo(options: argparse.Namespace) -> int:
    from kioskd import demo

    return demo.main(is_once=options.once, is_split=options.split)


def _simulate(options: argparse.Namespace) -> int:
    from kioskd.demo.simulators import simulate

    return simulate(options.control, options.namespace, options.vpcd_port, not options.no_mechanics)


def _check(options: argparse.Namespace) -> int:
    from kioskd.commands.site import check

    return check(options.file)


def _drivers(options: argparse.Namespace) -> int:
    from kioskd.commands.site import list_drivers

    return list_drivers()


def _doctor(options: argparse.Namespace) -> int:
    from kioskd.commands.doctor import examine

    if options.scanner is None:
        return examine(options.file)
    if options.file is None:
        raise ConfigError("doctor --scanner needs the site file that names it")
    from kioskd.commands.scanner_doctor import set_up_scanner

    return set_up_scanner(options.file, options.scanner, options.picture)


def _user(options: argparse.Namespace) -> int:
    from kioskd import config
    from kioskd.commands.databases import user

    return asyncio.run(user(config.load(options.config), options.what, options.name, options.role))


def _outbox(options: argparse.Namespace) -> int:
    from kioskd import config
    from kioskd.commands.databases import look_after_outbox

    return asyncio.run(look_after_outbox(config.load(options.config), options.what))


def _broker(options: argparse.Namespace) -> int:
    from kioskd import config
    from kioskd.commands.broker import Network, write_broker_files
    from kioskd.errors import ConfigError

    if bool(options.certificate) != bool(options.key):
        raise ConfigError("--certificate and --key go together")
    network = Network(options.certificate, options.key, options.listen) if options.certificate else None
    return write_broker_files(config.load(options.config), options.folder, options.station, network)


def _audit(options: argparse.Namespace) -> int:
    from kioskd import config
    from kioskd.commands.databases import verify_audit

    return verify_audit(config.load(options.config), options.head)


if __name__ == "__main__":
    sys.exit(main())
