"""How to reach Kameo, and as whom: one frozen value, handed down to everything in this package."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pydantic import SecretStr
from yarl import URL

from kameo_async import __version__
from kameo_async.kameo.errors import ConfigurationError

AskCode = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class KameoConfig:
    """The fields have the names of the settings (`KAMEO_EMAIL` is `email`); timeouts are in seconds.

    `ask_code` gives a two-factor code typed by a person, and is used when there is no `totp_secret`.
    """

    email: str | None
    password: SecretStr | None
    totp_secret: SecretStr | None = None
    base_url: str = "https://www.kameo.se"
    api_url: str = "https://api.kameo.se/v1"
    user_agent: str = f"kameo-async/{__version__}"
    connect_timeout: float = 5
    read_timeout: float = 10
    max_redirects: int = 5
    requests_per_minute: int = 45
    max_concurrency: int = 6
    ask_code: AskCode | None = field(default=None, repr=False)

    @property
    def site(self) -> URL:
        """The site's address, without a slash at the end."""
        return URL(self.base_url.rstrip("/"))

    @property
    def api(self) -> URL:
        """The API's address, without a slash at the end."""
        return URL(self.api_url.rstrip("/"))

    @property
    def account(self) -> str:
        """Whose login it is: one login is kept for each."""
        return f"{self.email} {self.base_url}"

    def credentials(self) -> tuple[str, str]:
        """E-mail and password. Raises ConfigurationError that names all that is missing."""
        password = self.password.get_secret_value() if self.password else ""
        if self.email and password:
            return self.email, password
        missing = [
            name for name, value in (("KAMEO_EMAIL", self.email), ("KAMEO_PASSWORD", password)) if not value
        ]
        raise ConfigurationError(f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not set")
