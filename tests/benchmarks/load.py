"""wrk as the client: closed loop, one thread, keep-alive, figures as JSON out of its own script."""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.benchmarks.machine import NotThereError

CONNECTIONS = 32

_SCRIPT = """
wrk.method = "%s"
done = function(summary, latency, requests)
  local form = '\\n{"requests": %%d, "refused": %%d, "broken": %%d, "seconds": %%f, "p99_ms": %%f}\\n'
  io.write(string.format(form,
    summary.requests, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.duration / 1e6, latency:percentile(99) / 1e3))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What came of one round; `refused` answers had a status from 400 up."""

    requests: int
    refused: int
    broken: int
    seconds: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Answers that were wanted, a second."""
        return (self.requests - self.refused) / self.seconds


def blast(url: str, folder: Path, seconds: int, method: str = "GET", connections: int = CONNECTIONS) -> Load:
    """Asks as fast as answers come. Raises NotThereError without wrk, RuntimeError when connections break."""
    if shutil.which("wrk") is None:
        raise NotThereError("wrk is missing: apt-get install wrk")
    script = folder / f"{method}.lua"
    script.write_text(_SCRIPT % method)
    command = ("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, url)
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    load = Load(**json.loads(out.strip().splitlines()[-1]))
    if load.broken:
        raise RuntimeError(f"{url}: {load.broken} requests had no answer")
    return load


def in_turns(rounds: int, measures: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Each measure once a round, in turns (ABAB), so that what disturbs the machine disturbs all alike."""
    figures: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            figures[name].append(measure())
    return figures


def ratio(mine: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of neighbours."""
    return median(one / other for one, other in zip(mine, theirs, strict=True))
