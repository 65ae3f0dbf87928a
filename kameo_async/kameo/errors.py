"""What can go wrong at Kameo.

    KameoError
    |- ConfigurationError       a setting is missing or of no use; a person must change it
    |- LoginRefusedError        Kameo does not take these credentials
    |- SessionExpiredError      the login has run out; the client logs in again
    |- UpstreamInvalidError     an answer that cannot be understood
    `- UpstreamUnavailableError no answer, or one that says "later"
       |- MaintenanceError      Kameo's site is closed for a while
       `- RateLimitedError      too many requests

Each text is one sentence for people and holds no secret, so it may go to logs and clients as it is.
"""


class KameoError(Exception):
    """The root of this tree."""


class ConfigurationError(KameoError):
    """A setting is missing or of no use."""


class LoginRefusedError(KameoError):
    """Kameo does not take the e-mail, password or code; trying again would only lock the account."""


class SessionExpiredError(KameoError):
    """The login has run out."""


class UpstreamInvalidError(KameoError):
    """An answer that cannot be understood, or that no retry would change."""


class UpstreamUnavailableError(KameoError):
    """No answer, or one that says "later". `retry` tells whether trying again at once makes sense."""

    def __init__(self, message: str, *, retry: bool = True) -> None:
        super().__init__(message)
        self.retry = retry


class MaintenanceError(UpstreamUnavailableError):
    """Kameo answers with a web page that says it is closed."""


class RateLimitedError(UpstreamUnavailableError):
    """Too many requests; `seconds` is how long Kameo asks to wait, null when it does not say."""

    def __init__(self, message: str, seconds: float | None = None, *, retry: bool = True) -> None:
        super().__init__(message, retry=retry)
        self.seconds = seconds
