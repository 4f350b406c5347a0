"""The README does what it says: its tour is walked with curl, its examples are those of the folder."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import orjson

from hub.services import samples
from tests.doors import AppServer

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
MARK = "--- next ---"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


async def walked(script: str, folder: Path) -> list[str]:
    """Run the tour's commands in one shell, and answer what each block printed."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-euc", script, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, problems = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, problems.decode()
    return out.decode().split(MARK)


async def test_the_tour_can_be_walked_with_curl(app_server: AppServer, tmp_path: Path) -> None:
    await samples.load(app_server.hub)
    tour = [block.replace("http://localhost:8000", app_server.url) for block in blocks("bash")]
    looked, _, held, refused, booked, cancelled = await walked(f"\necho; echo '{MARK}'\n".join(tour), tmp_path)

    found, free = looked.strip().replace("}{", "}\n{").splitlines()
    assert [venue["name"] for venue in orjson.loads(found)["items"]] == ["Hotel Aurora"]
    assert orjson.loads(free)["available"] is True
    hold = orjson.loads(held)
    assert (hold["status"], len(hold["items"])) == ("held", 2)
    refusal = orjson.loads(refused)
    assert (refusal["code"], refusal["reasons"][0]["reason"]) == ("not_available", "held")
    assert refusal["alternatives"]

    decoder, rest, answers = json.JSONDecoder(), booked.strip(), []
    while rest:
        answer, end = decoder.raw_decode(rest)
        answers.append(answer)
        rest = rest[end:].lstrip()
    confirmed, events, desk = answers
    assert confirmed["status"] == "confirmed"
    changes = [change for event in events["events"] for change in event["data"].get("changes", [])]
    states = [change["state"] for change in changes if "state" in change]
    assert states[-2:] == ["held", "taken"]
    assert "Chloe" not in json.dumps(events)
    assert (desk["items"][0]["id"], desk["items"][0]["guest"]["full_name"]) == (hold["id"], "Chloe Martin")
    assert orjson.loads(cancelled)["status"] == "cancelled"


def test_the_examples_shown_are_those_of_the_folder() -> None:
    [js], [python] = blocks("js"), blocks("python")
    assert js in (ROOT / "examples" / "watch.mjs").read_text()
    assert python in (ROOT / "examples" / "watch.py").read_text()


def test_every_file_it_names_is_there() -> None:
    named = set(re.findall(r"\]\((?!https?:)([^)#]+)\)", README)) | set(
        re.findall(r"^\| .*?`([a-z_/]+/)`", README, re.MULTILINE)
    )
    missing = sorted(name for name in named if not (ROOT / name).exists())
    assert not missing
