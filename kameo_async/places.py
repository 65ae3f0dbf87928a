"""Where jobs and loans are remembered: one file each for every mode."""

import os
from pathlib import Path
from urllib.parse import urlsplit

from kameo_async.settings import KameoSettings, Mode, ServiceSettings, SettingsError, load


def state_file(settings: ServiceSettings, mode: Mode) -> Path | None:
    """The file that jobs survive a restart in, one for each mode; None where they shall not."""
    if settings.state_file is not None:
        return None if str(settings.state_file) == "none" else settings.state_file
    folder = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(folder) / "kameo-async" / f"{mode}.sqlite3"


def archive_file(state: Path | None, mode: Mode) -> Path | None:
    """The file beside `state` for what was seen of loans: no two sources of loans share one.

    It is not the same file, because `fetch` needs it while `serve` holds the other.
    """
    if state is None:
        return None
    mark = _other_site() if mode == "live" else "" if state.stem == mode else f".{mode}"
    return state.with_name(f"{state.stem}{mark}.archive{state.suffix}")


def archive_source(mode: Mode) -> str:
    """What tells these loans from others in a database: the mode, and the site where it is not Kameo's."""
    return f"{mode}{_other_site()}" if mode == "live" else mode


def _other_site() -> str:
    """The host that stands in for Kameo's own, such as that of `kameo-async sandbox`; empty for Kameo's."""
    try:
        url = load(KameoSettings).base_url
    except SettingsError:
        return ""
    is_own = url == KameoSettings.model_fields["base_url"].default
    return "" if is_own else f".{urlsplit(url).hostname}"
