"""CSV text that a spreadsheet shows and does not carry out."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

FORMULAS = ("=", "+", "-", "@")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """One line a row, UTF-8, ``\\n`` at line ends; None is an empty cell.

    Text that starts like a formula, behind blanks or not (a class or a file may be called anything), gets an apostrophe
    before it, as OWASP advises against CSV injection; a carriage return becomes a space. Numbers stay as they are.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([_safe(cell) for cell in row] for row in (header, *rows))
    return buffer.getvalue()


def _safe(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r", " ")
    return f"'{text}" if text.lstrip().startswith(FORMULAS) else text
