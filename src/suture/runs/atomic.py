"""Files that are either the old or the new one, never half of one."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path beside ``path`` to write to; it takes the place of ``path`` when all went well."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        with part.open("r+b") as file:
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())  # some writers keep their files to themselves
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _umask() -> int:
    """What the process takes away from new files; it can only be read by setting it."""
    kept = os.umask(0o022)
    os.umask(kept)
    return kept


def write_text(path: Path, text: str) -> None:
    """UTF-8, line ends as they are."""
    with replacing(path) as part:
        part.write_bytes(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Indented JSON. NaN and infinity are not JSON: they raise ValueError."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")
