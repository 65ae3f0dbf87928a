"""What can go wrong with jobs.

JobError
|- JobFailed            raised by a kind's `run`: the job ends so
|- InvalidKindError     a kind that cannot be served
|- UnknownKindError     no kind of that name
|- InvalidParamsError   the params do not fit the kind's model
|- JobNotFoundError     never was, or expired
|- JobFinishedError     a cancel of a job that ended otherwise
|- JournalError         the journal's file cannot be used
|- KeyReusedError       an idempotency key used with other params or another kind
|- UnavailableError     no job can be taken now
|  |- OverloadedError   too many jobs wait
|  `- DrainingError     the service is about to stop
`- WrongThreadError     called off the event loop's thread
"""

from collections.abc import Sequence
from dataclasses import dataclass


class JobError(Exception):
    """The root of this tree."""


class JobFailed(JobError):  # noqa: N818 - the contract's name, for authors of kinds
    """Raised from a kind's `run`, ends the job as `failed`.

    `code` is one word for programs, `message` one sentence for people (clients see it: no secrets),
    `retryable` whether the same request may succeed later.
    """

    def __init__(self, code: str, message: str, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable


@dataclass(frozen=True, slots=True)
class ParamProblem:
    """What is wrong with one param; `message` is a sentence for people."""

    name: str
    message: str


class InvalidKindError(JobError):
    """A kind that cannot be served: its name is taken, or it lacks a part."""


class UnknownKindError(JobError):
    """No kind has this name."""


class InvalidParamsError(JobError):
    """The params do not fit; `problems` has at least one entry."""

    def __init__(self, problems: Sequence[ParamProblem]) -> None:
        super().__init__(problems[0].message)
        self.problems = tuple(problems)


class JobNotFoundError(JobError):
    """No such job: it never was, or it expired."""


class JobFinishedError(JobError):
    """A cancel came for a job that had ended otherwise."""


class JournalError(JobError):
    """The journal's file cannot be used; one line for people."""


class KeyReusedError(JobError):
    """An idempotency key came again with other params or another kind."""


class UnavailableError(JobError):
    """No job can be taken now; the same request may succeed later."""


class OverloadedError(UnavailableError):
    """As many jobs wait as may wait."""


class DrainingError(UnavailableError):
    """The service is about to stop."""


class WrongThreadError(JobError):
    """Called off the thread of the event loop that owns the object."""
