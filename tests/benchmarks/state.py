"""A journal with many finished jobs in it, as if a service had run them."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kameo_async.jobs import models
from kameo_async.jobs.document import size_of
from kameo_async.jobs.journal import Journal
from tests.benchmarks.servers import RESULT_CHARACTERS

_RESULT = b'{"text":"%b"}' % (b"x" * RESULT_CHARACTERS)
_BATCH = 5000


def write_jobs(path: Path, count: int, expires_in: float = 3600) -> Path:
    """`count` successful jobs of the kind `nothing`; gives the path."""
    asyncio.run(_write(path, count, expires_in))
    return path


async def _write(path: Path, count: int, expires_in: float) -> None:
    now = datetime.now(UTC)
    submitted = now - timedelta(seconds=1)
    async with Journal.open(path) as journal:
        for start in range(0, count, _BATCH):
            written = []
            for sequence in range(start + 1, min(start + _BATCH, count) + 1):
                job = models.start(
                    models.new_job("nothing", b'{"size":%d}' % RESULT_CHARACTERS, submitted), submitted
                )
                ended = models.finish(job, _RESULT, None, now, expires_in)
                written.append(journal.submitted(sequence, job, None).written)
                written.append(journal.ended(sequence, ended, size_of(ended)).written)
            await asyncio.gather(*written)
