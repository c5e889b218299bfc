"""What every error of suture keeps to, checked wherever a test raises one."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from suture.errors import SutureError


@contextmanager
def raises(kind: type[SutureError], *words: str) -> Iterator[None]:
    """The block raises exactly ``kind``, says ``words``, what was expected and what to type instead."""
    with pytest.raises(kind) as caught:
        yield
    error = caught.value
    assert type(error) is kind
    assert error.given
    assert error.expected
    assert error.instead
    for word in words:
        assert word in str(error), str(error)
