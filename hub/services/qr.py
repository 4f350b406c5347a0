"""QR codes as pictures."""

from __future__ import annotations

import io

import segno


def draw(text: str) -> str:
    """Draw a text as a QR code, an SVG document with its quiet zone on white."""
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(drawn, kind="svg", scale=4, light="#fff", xmldecl=False, nl=False)
    return drawn.getvalue().decode()
