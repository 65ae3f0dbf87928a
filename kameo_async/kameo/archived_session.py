"""Used-up two-factor codes, shared by all processes of one archive."""

import hashlib

import structlog

from kameo_async.kameo.archive import Archive, ArchiveError
from kameo_async.kameo.session import MemorySessionState

log = structlog.get_logger()


class ArchivedSessionState(MemorySessionState):
    """Logins are of this process alone; a code used here is used up for the others too.

    Kameo takes each code once (RFC 6238 section 5.2), and `check`, `fetch` and `serve` may follow each other
    within its 30 seconds. An archive that cannot be used keeps nobody from logging in.
    """

    def __init__(self, archive: Archive) -> None:
        super().__init__()
        self._archive = archive

    async def use_code(self, account: str, step: int) -> bool:
        if not await super().use_code(account, step):
            return False
        try:
            return await self._archive.use_code(hashlib.sha256(account.encode()).hexdigest(), step)
        except ArchiveError as error:
            log.warning("archive.code_not_remembered", reason=str(error))
            return True
