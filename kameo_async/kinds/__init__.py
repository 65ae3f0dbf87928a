"""The kinds of job that come with the service, one file each, and those that installed packages offer."""

from importlib.metadata import EntryPoint, entry_points

from kameo_async.jobs.errors import InvalidKindError
from kameo_async.jobs.kind import Kind, one_line

GROUP = "kameo_async.kinds"


def installed_kinds() -> list[Kind]:
    """One object of each kind that a package offers under the entry point group. Raises InvalidKindError."""
    return [_load(entry) for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)]


def _load(entry: EntryPoint) -> Kind:
    try:
        kind: Kind = entry.load()()
    except (Exception, SystemExit) as error:  # a module may do as it likes when it is imported
        reason = one_line(error)
        raise InvalidKindError(f"kind {entry.name!r} ({entry.value}): cannot be loaded ({reason})") from error
    return kind
