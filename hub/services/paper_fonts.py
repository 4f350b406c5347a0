"""The fonts that papers are written with: of web fonts the parts that a text needs, made ready at their first use.

Fonts come as packages for web pages, cut into parts by script, each a compressed variable font. A printer needs plain
fonts of one weight, so each part is unpacked once and kept in the hub's data.
"""

from __future__ import annotations

import contextlib
import functools
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson
from fontTools.ttLib import TTFont
from fontTools.varLib import instancer

from hub.errors import Unavailable
from hub.services import saying

PACKAGES = Path(__file__).parents[2] / "static" / "node_modules" / "@fontsource-variable"
# Whichever has a character first is asked for it: Latin, Greek and Cyrillic, Khmer, Chinese.
FAMILIES = ("noto-sans", "noto-sans-khmer", "noto-sans-sc")
# Chinese in bold would double what is to be unpacked, for a heading or two.
ONE_WEIGHT = ("noto-sans-sc",)
WEIGHTS: dict[Literal["", "B"], int] = {"": 400, "B": 700}
# Stands for what no font has.
UNKNOWN = "\ufffd"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a font, with the characters that it is for."""

    family: str
    name: str
    characters: frozenset[int]


@dataclass(frozen=True, slots=True)
class Face:
    """A part of a font in one weight, as a file that a printer can read."""

    name: str
    style: Literal["", "B"]
    file: Path


def faces(data: Path, text: str) -> list[Face]:
    """Make ready what it takes to write a text; what is first is the font for everything that it has itself."""
    needed = {_parts()[0]: None} | {part: None for character in text if (part := _part_of(character)) is not None}
    return [face for part in needed for face in _faces_of(data / "fonts", part)]


def writable(text: str) -> str:
    """Leave out what is not to be seen, and put a sign in place of characters that no font has."""
    return "".join(one if _part_of(one) else UNKNOWN for one in saying.visible(text))


def _faces_of(folder: Path, part: Part) -> Iterator[Face]:
    for style, weight in WEIGHTS.items():
        if style and part.family in ONE_WEIGHT:
            continue
        file = folder / f"{part.family}-{_version(part.family)}-{part.name}-{weight}.ttf"
        if not file.exists():
            _unpack(_source(part), weight, file)
        yield Face(f"{part.family}-{part.name}", style, file)


@functools.lru_cache(maxsize=10_000)
def _part_of(character: str) -> Part | None:
    return next((part for part in _parts() if ord(character) in part.characters), None)


@functools.cache
def _parts() -> tuple[Part, ...]:
    """Read which characters each part is for; a script that comes with several fonts is taken of its own."""
    parts = []
    for family in FAMILIES:
        try:
            ranges = orjson.loads((PACKAGES / family / "unicode.json").read_bytes())
        except FileNotFoundError as error:
            raise Unavailable("The fonts of papers are not installed; run make run.") from error
        for name, listed in ranges.items():
            parts.append(Part(family, name.strip("[]"), frozenset(_characters(listed))))
    # Latin as the first of the first.
    return tuple(sorted(parts, key=lambda part: (FAMILIES.index(part.family), part.name != "latin")))


def _characters(listed: str) -> Iterator[int]:
    for one in listed.split(","):
        first, _, last = one.strip().removeprefix("U+").partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


@functools.cache
def _version(family: str) -> str:
    return str(orjson.loads((PACKAGES / family / "package.json").read_bytes())["version"])


def _source(part: Part) -> Path:
    return PACKAGES / part.family / "files" / f"{part.family}-{part.name}-wght-normal.woff2"


def _unpack(source: Path, weight: int, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    font = instancer.instantiateVariableFont(TTFont(source), {"wght": weight}, inplace=True)
    font.flavor = None
    # Whole or not at all, for another process may be about to read it.
    descriptor, unfinished = tempfile.mkstemp(dir=file.parent, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as out:
            font.save(out)
        Path(unfinished).replace(file)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(unfinished).unlink()
        raise
