"""The command line of the hub: `python -m hub --help`."""

import sys

# Before the other imports, which an older Python cannot even read.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(f"The booking hub needs Python 3.11 or newer, and this is Python {sys.version.split()[0]}.")

import argparse
import asyncio
import errno
import gc
import getpass
import importlib
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from hub.settings import Settings, SettingsRefused

EPILOG = """\
Settings are environment variables, or lines of a .env file: .env.example explains each.
Without DATABASE_URL and REDIS_URL the hub runs a PostgreSQL and a Valkey of its own under HUB_DATA;
the other commands then use the servers of a hub that runs on the same data, or start them for as long as they last.
"""

OWN_PACKAGES = ("handlers", "hub", "storage")
# No such database, wrong password, no such role, too many connections, disk full, starting up, no right to do it.
REFUSED_BY_POSTGRES = ("3D000", "28P01", "28000", "53300", "53100", "57P03", "42501")
REFUSED_BY_REDIS = ("ConnectionError", "TimeoutError", "AuthenticationError", "BusyLoadingError")
# Stopping these by a signal is how they end.
ENDLESS = ("seed", "serve", "worker")

MOST_WORKERS = 64

Command = Callable[[argparse.Namespace], Awaitable[None]]


class CommandRefused(Exception):
    """The command cannot do what it was asked, and the sentence says why."""


def parser() -> argparse.ArgumentParser:
    """Describe every command and its options."""
    top = argparse.ArgumentParser(
        prog="python -m hub",
        description="The booking hub: stays, slots and sessions that are watched, held and booked live.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, target: Command, summary: str, details: str = "") -> argparse.ArgumentParser:
        added = commands.add_parser(
            name, help=summary, description=f"{summary[0].upper()}{summary[1:]}. {details}".strip(), allow_abbrev=False
        )
        added.set_defaults(target=target, endless=name in ENDLESS)
        return added

    serve = command(
        "serve",
        _serve,
        "serve pages, the HTTP API and live events",
        "Migrates the database first, and loads the sample data once while HUB_SAMPLE_DATA is on. Ctrl-C stops it.",
    )
    serve.add_argument("--port", help="listen here instead of on HUB_PORT (8000)")
    serve.add_argument("--host", help="listen on this address instead of on HUB_HOST")
    serve.add_argument(
        "--workers",
        type=_workers,
        default=1,
        metavar="N",
        help="serve with N processes; SIGHUP replaces them one by one",
    )
    serve.add_argument("--on", type=int, help=argparse.SUPPRESS)
    command(
        "worker",
        _app("work"),
        "run what time triggers: expiry, publishing, mail",
        "Any number may run; each task is done once. A hub in development does this work itself.",
    )
    again = command(
        "retry",
        _retry,
        "try again the mail and other jobs that were given up",
        "A job that fails is tried for hours before it is given up; /health/ready and /metrics count those.",
    )
    again.add_argument("kind", metavar="KIND", help="mail, sms or another kind, as the count names it")
    command("migrate", _app("migrate"), "bring the database to the newest schema", "Safe to run twice, and at once.")
    seed = command(
        "seed",
        _seed,
        "load the sample venues and people",
        "Loads them once, however often it runs. Their passwords are public, so production refuses them.",
    )
    seed.add_argument("--live", action="store_true", help="then hold, book and cancel as sample customers until Ctrl-C")
    seed.add_argument("--minutes", type=_minutes, default=None, metavar="N", help="with --live: stop after that")
    admin = command(
        "admin",
        _admin,
        "make a super admin",
        "The password of a new account is asked for, or read from standard input. An account that exists must have "
        "verified its e-mail address, and keeps its password.",
    )
    admin.add_argument("--email", required=True, help="the address to log in with")
    admin.add_argument("--name", default="Super admin", help="the full name of a new account")
    admin.add_argument("--another", action="store_true", help="even though there is a super admin already")
    command(
        "describe",
        _describe,
        "write static/api: OpenAPI, AsyncAPI, the endpoint table, TypeScript types",
        "The files come from the endpoint table and the event registry; a test fails when they are stale.",
    )
    importing = command(
        "import",
        _import,
        "replay real bookings through the hub",
        "Replays them in the order in which they were made, moved by whole weeks into the future, and ends with what "
        "was accepted, refused, cancelled and unreadable.",
    )
    importing.add_argument("kind", choices=["hotel-bookings"], help="what the file holds")
    importing.add_argument("file", type=Path, metavar="FILE", help="a CSV file, gzipped or not")
    importing.add_argument(
        "--pool-size",
        default="peak",
        metavar="N|peak|A=98,D=36",
        help="rooms of each reserved type: a number, as many as the fullest night had (peak), or by letter",
    )
    bench = command(
        "bench",
        _bench,
        "measure this machine",
        "Prints ratios beside a yardstick of the same run, because absolute figures belong to one machine.",
    )
    bench.add_argument(
        "what",
        choices=["holds", "http", "live", "watchers"],
        help="holds: beside pgbench; http: bookings beside Fastify; live: events to many watchers; "
        "watchers: one venue with 5,000 of them and 200 writes a second",
    )
    bench.add_argument("--minutes", type=_minutes, default=5.0, metavar="N", help="with watchers: for so long (5)")
    auditing = command(
        "audit",
        _app("verify_audit"),
        "check that the audit is as it was written",
        "Names the first entry that was changed, removed or added later, and ends with 1 if there is one.",
    )
    auditing.add_argument("what", choices=["verify"], help="verify: follow the chain of seals to its end")
    torture = command(
        "torture",
        _torture,
        "break things while booking, and check that nothing was lost or sold twice",
        "Runs a PostgreSQL, a Valkey and workers of its own, kills, freezes and cuts them while clients book, "
        "and prints a table of promise, load, faults and result. The seed it prints plays the same again.",
    )
    torture.add_argument("--quick", action="store_true", help="short loads, for the tests: speed is not judged")
    torture.add_argument("--only", default="", metavar="P1,P7", help="play only these promises")
    torture.add_argument("--seed", default="", help="play what was played with this seed")
    torture.add_argument("--load", type=_share, default=1.0, metavar="X", help="a share of the load: 0.5 is half of it")
    torture.add_argument("--minutes", type=_minutes, default=5.0, metavar="N", help="how long the soak of P26 lasts")
    torture.add_argument(
        "--control", action="store_true", help="take the guard of each promise away, and see that it is found broken"
    )
    return top


def _minutes(given: str) -> float:
    try:
        minutes = float(given)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes <= 525_600:
        raise argparse.ArgumentTypeError("a number of minutes above 0, a year at most")
    return minutes


def _share(given: str) -> float:
    try:
        share = float(given)
    except ValueError:
        share = 0.0
    if not 0 < share <= 100:
        raise argparse.ArgumentTypeError("a number above 0")
    return share


def _workers(given: str) -> int:
    if not given.isdecimal() or not 1 <= int(given) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"a number of processes from 1 to {MOST_WORKERS}")
    return int(given)


def _settings(options: argparse.Namespace) -> Settings:
    given = {"HUB_HOST": getattr(options, "host", None), "HUB_PORT": getattr(options, "port", None)}
    return Settings.from_env(os.environ | {name: value for name, value in given.items() if value is not None})


def _call(module: str, function: str, *arguments: Any, **named: Any) -> Awaitable[None]:
    """Import what a command needs only when it is asked for."""
    # What is imported stays, and to look again and again for what has gone would take an eighth of the time.
    gc.disable()
    imported = importlib.import_module(module)
    gc.freeze()
    gc.enable()
    called: Awaitable[None] = getattr(imported, function)(*arguments, **named)
    return called


def _app(function: str) -> Command:
    async def run(options: argparse.Namespace) -> None:
        await _call("hub.app", function, _settings(options))

    return run


async def _serve(options: argparse.Namespace) -> None:
    settings = _settings(options)
    try:
        if options.on is not None:
            await _call("hub.app", "serve_on", settings, options.on)
        elif options.workers > 1:
            await _call("hub.supervisor", "serve", settings, options.workers)
        else:
            await _call("hub.app", "serve", settings)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandRefused(
                f"Port {settings.port} is taken: stop the other program, or choose another with HUB_PORT."
            ) from error
        raise


async def _seed(options: argparse.Namespace) -> None:
    settings = _settings(options)
    if settings.production:
        raise CommandRefused("Sample data has no place in production: its passwords are public.")
    await _call("hub.app", "seed", settings, live=options.live, minutes=options.minutes)


async def _admin(options: argparse.Namespace) -> None:
    asking = sys.stdin.isatty()
    typed = await asyncio.to_thread(getpass.getpass, "Password: ") if asking else sys.stdin.readline()
    password = typed.rstrip("\r\n") or None
    await _call("hub.app", "admin", _settings(options), options.email, options.name, password, another=options.another)


async def _retry(options: argparse.Namespace) -> None:
    await _call("hub.app", "retry", _settings(options), options.kind)


async def _describe(options: argparse.Namespace) -> None:
    importlib.import_module("handlers.describe").write()


async def _import(options: argparse.Namespace) -> None:
    if not options.file.is_file():
        raise CommandRefused(f"There is no file {options.file}.")
    await _call("hub.app", "import_bookings", _settings(options), options.kind, options.file, options)


async def _bench(options: argparse.Namespace) -> None:
    await _call("hub.bench", "run", _settings(options), options.what, options.minutes)


async def _torture(options: argparse.Namespace) -> None:
    from hub.torture.play import Scale
    from hub.torture.run import Options, run

    only = tuple(name for name in options.only.upper().replace(",", " ").split() if name)
    scale = Scale(options.load, options.quick, options.minutes)
    await run(Options(scale, only, options.seed, options.control))


async def _until_stopped(work: Awaitable[None]) -> bool:
    """Await the work, and tell whether it came to its end; a signal cancels it, once."""
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)
    stopping = False

    def stop() -> None:
        # A second Ctrl-C must not interrupt the stopping itself, or servers would be left behind.
        nonlocal stopping
        if not stopping:
            stopping = True
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    try:
        await task
    except asyncio.CancelledError:
        return False
    return True


def explain(error: BaseException) -> str | None:
    """Put a known failure into one sentence; an unknown one is a fault of the hub and has none."""
    from hub.errors import HubError
    from storage.embedded_server import ServersRefused
    from storage.migrate import MigrationChanged

    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(explain, error.exceptions)), None)
    if isinstance(error, HubError) and error.__cause__ is not None and (cause := explain(error.__cause__)):
        return cause
    if isinstance(error, (CommandRefused, HubError, MigrationChanged, ServersRefused, SettingsRefused)):
        return str(error)
    if getattr(error, "sqlstate", None) in REFUSED_BY_POSTGRES:
        return f"PostgreSQL refuses: {error}; see DATABASE_URL."
    if type(error).__module__ == "redis.exceptions" and type(error).__name__ in REFUSED_BY_REDIS:
        return f"Redis does not answer: {error}; see REDIS_URL."
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] not in OWN_PACKAGES:
        return f"The package {error.name} is not installed: start the hub with make run."
    if isinstance(error, OSError):
        return _explain_system(error)
    return None


def _explain_system(error: OSError) -> str | None:
    place = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full{place}: make room and start again; nothing that was acknowledged is lost."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"The system does not allow this{place}: {error.strerror}."
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"There is no such address: {error.strerror}; see HUB_HOST, DATABASE_URL and REDIS_URL."
    if isinstance(error, ConnectionError):
        return f"A server cannot be reached: {error}; see DATABASE_URL and REDIS_URL."
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done or stopped, 1 refused, 130 interrupted."""
    options = parser().parse_args(arguments)
    try:
        import uvloop

        finished = uvloop.run(_until_stopped(options.target(options)))
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        print(sentence, file=sys.stderr)
        return 1
    return 0 if finished or options.endless else 130


if __name__ == "__main__":
    sys.exit(main())
