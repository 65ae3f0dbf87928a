"""Which ordered faults are still to happen."""

from collections.abc import Iterable

from kameo_async.sandbox.options import Fault, FaultOrder


class Faults:
    """Mutable: how often each fault is still to happen (None: always)."""

    def __init__(self, orders: Iterable[FaultOrder]) -> None:
        self._left: dict[Fault, int | None] = {order.fault: order.count for order in orders}

    def take(self, fault: Fault) -> bool:
        """Whether the fault happens now; once fewer are left then."""
        left = self._left.get(fault, 0)
        if left is None:
            return True
        if left == 0:
            return False
        self._left[fault] = left - 1
        return True

    def rows(self, fault: Fault, available: int) -> int:
        """How many of the available rows a lasting fault touches."""
        left = self._left.get(fault, 0)
        return available if left is None else min(left, available)
