"""What every page has: one file with its style and pictures inside, which opens offline."""

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

STYLE = """<style>
:root { color-scheme: light dark; --ink: #1d2433; --paper: #fff; --line: #d8dbe2; --accent: #c8402f }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ee; --paper: #171a21; --line: #3a3f4b; --accent: #ef7a6a } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 60rem; margin: 0 auto; padding: 1.5rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.2rem; margin-top: 2.5rem } .lead { font-size: 1.15rem }
h1, h2, .lead { overflow-wrap: anywhere }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .4rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums } tr.best { color: var(--accent); font-weight: 600 }
figure { margin: 2rem 0 } img { max-width: 100%; background: #fff; border-radius: 6px }
figcaption { opacity: .75; font-size: .9rem } pre { overflow-x: auto; padding: 1rem; border: 1px solid var(--line) }
</style>"""


def rendered(template: str, **values: Any) -> str:
    """The page of a template, in which ``style`` stands for the style; every other value is escaped."""
    return Environment(autoescape=True).from_string(template).render(style=Markup(STYLE), **values)


def embedded(path: Path) -> str:
    """A PNG as the ``src`` of a picture."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
