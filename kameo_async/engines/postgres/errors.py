"""What can go wrong with the database.

OSError
`- DatabaseError   it cannot be used: the start ends with this one line
JobError
`- LostError       a job that this process ran is another's now, or nobody's
"""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from kameo_async.jobs.errors import JobError, UnavailableError

log = structlog.get_logger()

SETTING = "KAMEO_ASYNC_DATABASE_URL"


class DatabaseError(OSError):
    """The database cannot be used; one line for people says why and what to do."""


class LostError(JobError):
    """The job went to another worker, or ended, while this one could not be heard."""


def reason(error: BaseException) -> str:
    """The first line of an error's text: PostgreSQL's may have several."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


@contextmanager
def one_round(event: str) -> Iterator[None]:
    """Around one of many rounds: a database that is away, or an error that the log has, ends no other."""
    try:
        yield
    except UnavailableError:
        pass
    except Exception:
        log.exception(event)
