"""How a page of the site is drawn first: its template, its data, and what its script will need."""

from __future__ import annotations

import functools
import re
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from handlers import words
from handlers.pages import IMPORT_MAP, STATIC
from hub.models.money import CURRENCIES

# The digits of a currency's minor unit, where there are not two.
_DIGITS = {code: digits for code, digits in CURRENCIES.items() if digits != 2}
# What people may read, in its own language.
LANGUAGES = (("en", "English"), ("km", "ភាសាខ្មែរ"), ("zh", "中文"))
_LIBRARY = tuple(
    f"/lib/{name}.js" for name in ("preact", "preact-hooks", "htm", "signals", "signals-core", "socket.io-client")
)
_IMPORTED = re.compile(r"""^(?:import|export)\b[^;"']*["']\./([\w-]+)\.js["'];""", re.MULTILINE)

_templates = Environment(
    loader=FileSystemLoader(STATIC / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters |= words.FILTERS
_templates.globals |= {"many": words.many, "time_range": words.time_range}


def draw(template: str, script: str | None = None, data: dict[str, Any] | None = None, **shown: Any) -> web.Response:
    """Draw a page; `data` is for its script, everything else for its template."""
    text = _templates.get_template(template).render(
        import_map=IMPORT_MAP,
        script=script,
        modules=modules_of(script) if script else (),
        data={"digits": _DIGITS, **(data or {})},
        **shown,
    )
    response = web.Response(text=text, content_type="text/html")
    response.enable_compression()
    return response


@functools.cache
def modules_of(script: str) -> tuple[str, ...]:
    """List what a script loads, so that the browser fetches it at once instead of one import after the other."""
    found, waiting = {script}, [script]
    while waiting:
        text = (STATIC / "js" / f"{waiting.pop()}.js").read_text(encoding="utf-8")
        new = set(_IMPORTED.findall(text)) - found
        found |= new
        waiting.extend(new)
    return (*_LIBRARY, *(f"/static/js/{name}.js" for name in sorted(found)))
