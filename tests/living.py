"""What of a type is alive in this process, for tests that must leave none of it behind.

Other tests' fixtures may hold some for a whole session (a page that is open in the browser): a test compares
with what it found.
"""

import gc
from typing import TypeVar

T = TypeVar("T")


def living(kind: type[T]) -> list[T]:
    """All instances that the garbage collector knows, without collecting any."""
    return [one for one in gc.get_objects() if issubclass(type(one), kind)]
