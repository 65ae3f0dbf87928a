"""A loop whose clock the tests move, for what aiohttp measures by the loop's own time."""

import asyncio
from typing import cast


class MovableLoop(asyncio.SelectorEventLoop):
    """Its time is the machine's and what the test adds."""

    added = 0.0

    def time(self) -> float:
        return super().time() + self.added


async def let_pass(seconds: float) -> None:
    """Moves the loop's time in steps, with turns of the loop in between."""
    loop = cast("MovableLoop", asyncio.get_running_loop())
    for _ in range(int(seconds / 0.5)):
        loop.added += 0.5
        await asyncio.sleep(0.001)
