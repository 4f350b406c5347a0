"""Ask the public lists of known faults about every installed package: `python -m tests.advisories`.

An argument names the Python that has pip-audit. Where no list
can be asked, the floors of tests/contracts/floors.json stand alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from typing import Any


def ask(python: str) -> list[dict[str, Any]]:
    """Ask pip-audit of that Python about the packages of this one; answers those that a list knows."""
    command = [python, "-m", "pip_audit", "--path", sysconfig.get_path("purelib")]
    try:
        asked = subprocess.run(
            [*command, "--format", "json", "--progress-spinner", "off"], check=False, capture_output=True, text=True
        )
        answered = json.loads(asked.stdout)
    except (OSError, ValueError):
        return []
    return [package for package in answered["dependencies"] if "skip_reason" not in package]


def main(python: str) -> int:
    """Tell what is known, and fail when something is."""
    packages = ask(python)
    known = [(package, fault) for package in packages for fault in package["vulns"]]
    for package, fault in known:
        mended = ", ".join(fault["fix_versions"]) or "no release"
        sys.stdout.write(f"{package['name']} {package['version']}: {fault['id']}, mended in {mended}\n")
    if packages:
        sys.stdout.write(f"{len(packages)} packages were asked about.\n")
    else:
        sys.stdout.write("No list of advisories can be asked here; the floors stand alone.\n")
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else sys.executable))
