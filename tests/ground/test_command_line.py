"""The command line explains itself, ends on a signal, and turns known failures into one sentence."""

import errno
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest
import redis.exceptions

from hub.__main__ import explain, parser
from hub.errors import HubError
from hub.settings import SettingsRefused
from tests.servers import url_of

ROOT = Path(__file__).parents[2]
COMMANDS = ("serve", "worker", "retry", "migrate", "seed", "admin", "describe", "import", "bench", "torture")
# Stands in for the application, so that each way to end is there on demand.
PLAYED = """
import asyncio, os, sys, types
app = types.ModuleType("hub.app")
async def serve(settings):
    print("ready", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(0.3)
        print("stopped", flush=True)
async def work(settings): raise ZeroDivisionError("a fault of the hub")
async def migrate(settings): raise OSError(28, "No space left on device", "var/postgres")
async def seed(settings, live, minutes): print(live, settings.port)
async def admin(settings, email, name, password, another): print(email, name, password, another)
async def retry(settings, kind): print(kind)
async def import_bookings(settings, kind, file, options): print(kind, file.name, options.pool_size)
app.__dict__.update(serve=serve, work=work, migrate=migrate, seed=seed, admin=admin, retry=retry)
app.import_bookings = import_bookings
sys.modules["hub.app"] = app
from hub.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def environment(tmp_path: Path, **changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "DATABASE_", "REDIS_"))}
    return kept | {"HUB_DATA": str(tmp_path), "PYTHONPATH": str(ROOT)} | changes


def run(tmp_path: Path, *command: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env=environment(tmp_path, **changes),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def played(tmp_path: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return run(tmp_path, "-c", PLAYED, *arguments, **changes)


def test_a_kind_of_jobs_is_tried_again(tmp_path):
    assert played(tmp_path, "retry", "mail").stdout == "mail\n"
    assert played(tmp_path, "retry").returncode == 2


def test_a_super_admin_is_made_with_a_password_that_no_list_of_processes_shows(tmp_path):
    made = subprocess.run(
        [sys.executable, "-c", PLAYED, "admin", "--email", "boss@example.org", "--another"],
        cwd=tmp_path,
        env=environment(tmp_path),
        input="correct horse\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert made.stdout == "boss@example.org Super admin correct horse True\n"


def test_the_help_names_every_command_and_where_the_settings_are():
    text = parser().format_help()
    assert all(f"\n    {command} " in text for command in COMMANDS)
    assert ".env.example" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(tmp_path, command):
    shown = run(tmp_path, "-m", "hub", command, "--help")
    assert shown.returncode == 0
    assert shown.stdout.startswith(f"usage: python -m hub {command}")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_serving_gently_and_a_second_one_does_not_interrupt_it(tmp_path, number):
    command = [sys.executable, "-c", PLAYED, "serve"]
    with subprocess.Popen(command, env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, text=True) as hub:
        assert hub.stdout is not None
        assert hub.stdout.readline() == "ready\n"
        hub.send_signal(number)
        time.sleep(0.1)
        hub.send_signal(number)
        assert hub.stdout.read() == "stopped\n"
        assert hub.wait(5) == 0


def test_a_known_failure_is_one_sentence_and_exit_code_one(tmp_path):
    ended = played(tmp_path, "migrate")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("The disk is full (var/postgres)")
    assert ended.stderr.count("\n") == 1


def test_a_fault_of_the_hub_keeps_its_traceback(tmp_path):
    ended = played(tmp_path, "worker")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr
    assert "ZeroDivisionError: a fault of the hub" in ended.stderr


def test_options_reach_the_command(tmp_path):
    (tmp_path / "bookings.csv").touch()
    replay = played(tmp_path, "import", "hotel-bookings", "bookings.csv", "--pool-size", "12")
    assert replay.stdout == "hotel-bookings bookings.csv 12\n"
    assert played(tmp_path, "seed", "--live", HUB_PORT="8123").stdout == "True 8123\n"
    assert "HUB_PORT" in played(tmp_path, "serve", "--port", "http").stderr
    assert "There is no file" in played(tmp_path, "import", "hotel-bookings", "nowhere.csv").stderr


def test_production_takes_no_sample_data_by_hand(tmp_path):
    production = {
        "HUB_ENV": "production",
        "HUB_SECRET": "kX9vQ2mZ7rT4wB8nC1sJ6hL3pD5fG0aE",
        "DATABASE_URL": "postgresql://hub@localhost/hub",
        "REDIS_URL": "redis://localhost:6379/0",
    }
    assert played(tmp_path, "seed", **production).stderr.startswith("Sample data has no place in production")


def test_production_does_not_start_on_defaults(tmp_path):
    ended = run(tmp_path, "-m", "hub", "serve", HUB_ENV="production")
    assert (ended.returncode, ended.stderr) == (1, "HUB_SECRET must be set in production.\n")


def test_a_taken_port_is_named_before_anything_starts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(tmp_path, "-m", "hub", "serve", HUB_PORT=str(port))
    assert ended.returncode == 1
    assert ended.stderr == f"Port {port} is taken: stop the other program, or choose another with HUB_PORT.\n"
    assert not (tmp_path / "postgres").exists()


async def test_a_missing_database_is_told_with_its_name(servers):
    with pytest.raises(asyncpg.InvalidCatalogNameError) as failed:
        await asyncpg.connect(url_of(servers.database, "nowhere"))
    assert explain(failed.value) == 'PostgreSQL refuses: database "nowhere" does not exist; see DATABASE_URL.'


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (SettingsRefused("HUB_PORT must be a port."), "HUB_PORT must be a port."),
        (HubError("Not now."), "Not now."),
        (ExceptionGroup("two", [ValueError("x"), SettingsRefused("This one.")]), "This one."),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), "A server cannot be reached"),
        (PermissionError(errno.EACCES, "Permission denied", "var"), r"The system does not allow this \(var\)"),
        (socket.gaierror(-2, "Name or service not known"), "There is no such address"),
        (redis.exceptions.ConnectionError("Error 111 connecting"), "Redis does not answer"),
        (ModuleNotFoundError("No module named 'aiohttp'", name="aiohttp"), "The package aiohttp is not installed"),
    ],
)
def test_known_failures_have_a_sentence(error, said):
    assert re.match(said, explain(error) or "")


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), KeyError("x"), FileNotFoundError(errno.ENOENT, "No such file", "x"), ModuleNotFoundError("hub")],
)
def test_faults_have_none(error):
    if isinstance(error, ModuleNotFoundError):
        error.name = "hub.missing"
    assert explain(error) is None
