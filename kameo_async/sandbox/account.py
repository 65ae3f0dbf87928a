"""The one account of the sandbox and the sessions at its site."""

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from enum import Enum, auto

STEP_SECONDS = 30
_DIGITS = 6


class Verdict(Enum):
    """What becomes of a code."""

    ACCEPTED = auto()
    WRONG = auto()
    USED = auto()


def totp(secret: str, step: int) -> str:
    """The code of a time step (RFC 6238, SHA-1, 6 digits) for a Base32 secret as people paste it."""
    text = secret.replace(" ", "").replace("-", "").rstrip("=").upper()
    key = base64.b32decode(text + "=" * (-len(text) % 8))
    digest = hmac.digest(key, step.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return str(number % 10**_DIGITS).zfill(_DIGITS)


class Account:
    """Knows the password and the codes; a code is accepted once (RFC 6238 section 5.2)."""

    def __init__(self, email: str, password: str, totp_secret: str) -> None:
        self._email = email
        self._password = password
        self._totp_secret = totp_secret
        self._last_step = -1

    def knows(self, email: str, password: str) -> bool:
        return (email, password) == (self._email, self._password)

    def verdict(self, code: str, unix_time: float) -> Verdict:
        """Takes the code of this time step or of the one before (a slow typist), each once."""
        step = int(unix_time) // STEP_SECONDS
        for candidate in (step, step - 1):
            if code == totp(self._totp_secret, candidate):
                return self._use(candidate)
        return Verdict.WRONG

    def _use(self, step: int) -> Verdict:
        if step <= self._last_step:
            return Verdict.USED
        self._last_step = step
        return Verdict.ACCEPTED


class Stage(Enum):
    """How far a session's login has come."""

    ANONYMOUS = auto()
    PASSWORD = auto()
    LOGGED_IN = auto()


@dataclass(slots=True)
class Session:
    """A session at the site; `alert` is shown once, `pages_read` counts its pages of the listing."""

    stage: Stage = Stage.ANONYMOUS
    csrf_token: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)
    form_token: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)
    e_sign_token: str = field(default_factory=lambda: secrets.token_hex(20), repr=False)
    alert: str | None = None
    pages_read: int = 0


class Sessions:
    """The living sessions by the value of their cookie."""

    def __init__(self) -> None:
        self._by_id: dict[str, Session] = {}

    def find(self, session_id: str | None) -> Session | None:
        return self._by_id.get(session_id) if session_id else None

    def start(self, stage: Stage = Stage.ANONYMOUS) -> str:
        """A new session under an id that cannot be guessed."""
        session_id = secrets.token_hex(16)
        self._by_id[session_id] = Session(stage)
        return session_id

    def end(self, session_id: str | None) -> None:
        if session_id:
            self._by_id.pop(session_id, None)
