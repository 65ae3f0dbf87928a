"""Kinds that a service under test offers beside its own, by an entry point, as an installed package would."""

import asyncio
from collections import deque
from pathlib import Path

from pydantic import BaseModel

from kameo_async import Report


class Puppet:
    """Says, gives and waits as it is told."""

    kind = "puppet"
    title = "Do as told"
    description = "Reports a text, waits or not, gives a text."

    class Params(BaseModel):
        said: int = 0  # bytes of the message
        given: int = 0  # bytes of the result
        waits: bool = False  # until it is stopped

    class Result(BaseModel):
        text: str

    async def run(self, params: Params, report: Report) -> Result:
        await report(1, 1, message="x" * params.said)
        if params.waits:
            await asyncio.Event().wait()
        return self.Result(text="x" * params.given)


class Crash:
    """Breaks with a secret in a variable."""

    kind = "crash"
    title = "Crash"
    description = "Ends on an unexpected error."

    class Params(BaseModel):
        pass

    Result = Params

    async def run(self, params: Params, report: Report) -> Params:
        password = "marker-" + "local"
        raise RuntimeError(f"broken {len(password)}")


class Knot:
    """Holds itself, as much does that has failed: only the garbage collector ends it."""

    alive = 0

    def __init__(self) -> None:
        self.me = self
        Knot.alive += 1

    def __del__(self) -> None:
        Knot.alive -= 1


class Litter:
    """Leaves knots behind, each some time after it was made."""

    kind = "litter"
    title = "Litter"
    description = "Leaves so many knots; tells how many there were at once."

    class Params(BaseModel):
        knots: int

    class Result(BaseModel):
        most: int

    async def run(self, params: Params, report: Report) -> Result:
        held: deque[Knot] = deque(maxlen=12_000)
        most = 0
        for _ in range(params.knots):
            held.append(Knot())
            most = max(most, Knot.alive)
        return self.Result(most=most)


def offer(folder: Path) -> str:
    """Installs them in `folder`; gives the PYTHONPATH under which they are found."""
    info = folder / "kameo_trust-0.1.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: kameo-trust\nVersion: 0.1\n")
    points = "".join(f"{kind.kind} = {__name__}:{kind.__name__}\n" for kind in (Puppet, Crash, Litter))
    (info / "entry_points.txt").write_text(f"[kameo_async.kinds]\n{points}")
    return f"{Path(__file__).parent.parent.parent}:{folder}"
