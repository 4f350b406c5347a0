"""Receipts and invoices drawn as PDF, in the language of their guest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from fpdf import FPDF
from fpdf.enums import TableBordersLayout, XPos, YPos
from fpdf.fonts import FontFace

from hub.models.paper import Content, Flow, Paper, Sold
from hub.services import paper_fonts, saying

WORDS: dict[str, dict[str, str]] = orjson.loads(
    (Path(__file__).parents[2] / "static" / "templates" / "paper" / "words.json").read_bytes()
)
_MARGIN, _LINE, _SIZE = 20.0, 6.0, 10.0
_GREEN, _INK, _QUIET, _RULE = (10, 107, 94), (27, 36, 32), (86, 97, 91), (223, 227, 223)


def drawn(data: Path, papers: Sequence[Paper]) -> bytes:
    """Draw papers; drawn again, each is the same to the byte."""
    sheet = _Sheet(data, papers)
    for paper in papers:
        sheet.add_paper(paper)
    return bytes(sheet.output())


class _Sheet(FPDF):
    """Pages of A4 on which every script is written as it should be."""

    def __init__(self, data: Path, papers: Sequence[Paper]) -> None:
        super().__init__(format="A4")
        self.set_margin(_MARGIN)
        self.set_auto_page_break(True, _MARGIN)
        faces = paper_fonts.faces(data, _written(papers))
        for face in faces:
            self.add_font(face.name, face.style, face.file)
        self._main = faces[0].name
        self.set_fallback_fonts([face.name for face in faces if face.name != self._main], exact_match=False)
        # Khmer is more than its letters one after the other.
        self.set_text_shaping(True)
        self.set_creation_date(papers[0].issued_at)
        self.set_title(", ".join(paper.name for paper in papers))
        self.set_lang(papers[0].content.language)

    def set_font(self, family: str | None = None, style: Any = "", size: float = 0) -> None:
        """Set the font, at once.

        Otherwise a line that begins with a fallback font sets it within brackets, and what follows is lost.
        """
        super().set_font(family, style, size)
        if self.page and self.current_font is not None and not self.current_font_is_set_on_page:
            self._out(self._set_font_for_page(self.current_font, self.font_size_pt))

    def add_paper(self, paper: Paper) -> None:
        """Draw one paper from the top of a page."""
        content, language = paper.content, paper.content.language
        self.add_page()
        self._head(paper)
        facts = [
            ("number", paper.name),
            ("issued", saying.day(paper.issued_at.astimezone(ZoneInfo(content.seller.timezone)), language)),
            ("reference", content.reference),
            ("guest", paper.guest),
        ]
        if paper.replaced_name is not None:
            facts.append(("replaces", paper.replaced_name))
        for name, said in facts:
            self._fact(_word(name, language), said)
        self.ln(_LINE)
        self._items(content)
        if paper.kind == "receipt":
            self._flows(content)

    def _head(self, paper: Paper) -> None:
        seller = paper.content.seller
        self._write(_word(paper.kind, paper.content.language), 22, "B", _GREEN)
        self.ln(2)
        self._write(seller.name, 12, "B", _INK)
        for line in (seller.address, " · ".join(part for part in (seller.phone, seller.email) if part)):
            if line:
                self._write(line, 9, "", _QUIET)
        self.ln(_LINE)

    def _write(self, text: str, size: float, style: str, colour: tuple[int, int, int]) -> None:
        self._with(size, style, colour)
        self.multi_cell(0, size * 0.6, paper_fonts.writable(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _with(self, size: float, style: str, colour: tuple[int, int, int]) -> None:
        self.set_font(self._main, style, size)
        self.set_text_color(*colour)

    def _fact(self, name: str, said: str) -> None:
        self._with(_SIZE, "", _QUIET)
        self.cell(36, _LINE, name)
        self._with(_SIZE, "", _INK)
        self.multi_cell(0, _LINE, paper_fonts.writable(said), new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _items(self, content: Content) -> None:
        language, currency = content.language, content.currency
        heads = [_word(name, language) for name in ("item", "quantity", "amount")]
        rows = [
            ["\n".join(_described(item, content)), str(item.quantity), saying.money(item.price, currency)]
            for item in content.items
        ]
        if content.waived:
            rows.append([_word("waived", language), "", saying.money(-content.waived, currency)])
        self._table((112, 20, 38), heads, rows, [_word("total", language), "", saying.money(content.total, currency)])
        for tax in content.taxes:
            amount = saying.money(tax.amount, currency)
            self._write(f"{_word('contains', language)} {tax.name}: {amount}", 9, "", _QUIET)
        if content.bonus:
            self._write(f"{_word('bonus', language)}: {', '.join(content.bonus)}", 9, "", _QUIET)

    def _flows(self, content: Content) -> None:
        language, currency = content.language, content.currency
        zone = ZoneInfo(content.seller.timezone)
        heads = [_word(name, language) for name in ("payments", "on", "amount")]
        rows = [
            [
                _flow(flow, language),
                saying.day(flow.at.astimezone(zone), language),
                saying.money(flow.amount, currency),
            ]
            for flow in content.flows
        ]
        self.ln(_LINE)
        received = saying.money(content.received, currency)
        self._table((92, 40, 38), heads, rows, [_word("received", language), "", received])

    def _table(self, widths: Sequence[int], heads: list[str], rows: list[list[str]], total: list[str]) -> None:
        self._with(_SIZE, "", _INK)
        self.set_draw_color(*_RULE)
        with self.table(
            width=sum(widths),
            col_widths=tuple(widths),
            align="LEFT",
            text_align=("LEFT", "RIGHT", "RIGHT") if widths[1] < 30 else ("LEFT", "LEFT", "RIGHT"),
            line_height=_LINE,
            padding=(1.5, 0),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            headings_style=FontFace(color=_QUIET),
        ) as table:
            for row in (heads, *rows):
                table.row(["\n".join(map(paper_fonts.writable, cell.split("\n"))) for cell in row])
            table.row(total, style=FontFace(emphasis="BOLD"))


def _written(papers: Sequence[Paper]) -> str:
    """Gather all that may be written on these papers."""
    words = [_word(name, paper.content.language) for paper in papers for name in WORDS]
    return "".join([*(paper.model_dump_json() for paper in papers), *words])


def _word(name: str, language: str) -> str:
    said = WORDS[name]
    return said.get(language, said["en"])


def _described(item: Sold, content: Content) -> list[str]:
    """Name an item, and on a line of its own when it is; what stands beside others has no time of its own."""
    if item.kind in ("addon", "fee"):
        return [item.title]
    when = (item.starts_at, item.ends_at, item.check_in, item.check_out)
    return [item.title, saying.span(*when, content.seller.timezone, content.language)]


def _flow(flow: Flow, language: str) -> str:
    done = "paid" if flow.amount > 0 else "disputed" if flow.kind == "dispute" else "given_back"
    how = f" ({_word(flow.gateway, language)})" if flow.gateway in WORDS else ""
    return f"{_word(done, language)}{how}"
