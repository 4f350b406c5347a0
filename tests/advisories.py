"""Ask the public lists of known faults about every installed package: `python -m tests.advisories`.

Where they cannot be reached the floors of tests/contracts/floors.json stand alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any


def ask(auditor: str) -> list[dict[str, Any]] | None:
    """Ask the auditor; None when it is not installed, or reaches nobody."""
    asked = subprocess.run(
        [sys.executable, "-m", auditor, "--format", "json", "--progress-spinner", "off", "--skip-editable"],
        check=False,
        capture_output=True,
        text=True,
    )
    try:
        answered = json.loads(asked.stdout)
    except ValueError:
        return None
    packages: list[dict[str, Any]] = answered["dependencies"]
    return packages


def main() -> int:
    """Tell what is known, and fail when something is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--with", dest="auditor", default="pip_audit", help="the module that asks")
    packages = ask(parser.parse_args().auditor)
    if packages is None:
        sys.stdout.write("No list of advisories could be asked (is pip-audit installed?); the floors stand alone.\n")
        return 0
    known = [(package, fault) for package in packages for fault in package.get("vulns", ())]
    for package, fault in known:
        mended = ", ".join(fault["fix_versions"]) or "no release"
        sys.stdout.write(f"{package['name']} {package['version']}: {fault['id']}, mended in {mended}\n")
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main())
