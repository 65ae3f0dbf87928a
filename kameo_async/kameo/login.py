"""The login, step by step: password, then the two-factor code where Kameo asks for one."""

import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from kameo_async.clock import Clock
from kameo_async.kameo.config import KameoConfig
from kameo_async.kameo.errors import (
    ConfigurationError,
    LoginRefusedError,
    RateLimitedError,
    UpstreamInvalidError,
)
from kameo_async.kameo.forms import read_html
from kameo_async.kameo.site import Site
from kameo_async.kameo.totp import STEP_SECONDS, code_at, key_of, step_at
from kameo_async.kameo.transport import Answer, Transport, check_status

LOGIN = "/user/login"
CHECK = "/auth/check"
TWO_FACTOR = "/auth/2fa"

Tell = Callable[[str], Awaitable[None]]
UseCode = Callable[[str, int], Awaitable[bool]]

_TOKEN = "ezxform_token"  # noqa: S105 - the name of a field
_TRAVEL_SECONDS = 1  # a code younger than this at the end of its window could arrive too late


def is_login_page(path: str) -> bool:
    """Whether a path is one of the login's, where the site sends whoever is not logged in."""
    return path.rstrip("/").endswith((LOGIN, CHECK, TWO_FACTOR))


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """What a login brought; `skew` is the site's clock minus ours, in seconds."""

    cookies: Mapping[str, str] = field(repr=False)
    skew: float
    two_factor: bool


class Login:
    """One attempt to log in."""

    def __init__(
        self, config: KameoConfig, transport: Transport, use_code: UseCode, clock: Clock, tell: Tell
    ) -> None:
        self._config = config
        self._site = Site(config, transport, clock)
        self._use_code = use_code
        self._clock = clock
        self._tell = tell

    async def run(self) -> LoggedIn:
        """Walks through all steps. Raises KameoError, LoginRefusedError when Kameo says no."""
        await self._tell("Logging in to Kameo")
        page = await self._send_password()
        two_factor = _is_at(page, TWO_FACTOR)
        if two_factor:
            page = await self._send_code(page)
        if _is_at(page, CHECK):
            raise UpstreamInvalidError("Kameo's site does not say whether the login is complete")
        if not self._site.cookies:
            raise UpstreamInvalidError("Kameo's site set no cookie at the login")
        return LoggedIn(dict(self._site.cookies), self._site.skew, two_factor)

    @property
    def _is_typed(self) -> bool:
        """Whether a person is asked for password and code, and no setting is to blame."""
        return self._config.ask_code is not None

    async def _send_password(self) -> Answer:
        email, password = self._config.credentials()
        page = await self._site.get(LOGIN)
        _check_page(page)
        form = {"Login": email, "Password": password, "LoginButton": "", "RedirectURI": ""}
        answer = await self._site.post(LOGIN, form, read_html(page.text()).csrf_token)
        if _is_at(answer, LOGIN):
            _check_page(answer)
            named = "" if self._is_typed else " in KAMEO_EMAIL and KAMEO_PASSWORD"
            raise LoginRefusedError(f"Kameo does not accept the e-mail and password{named}")
        if _is_at(answer, CHECK) or _is_at(answer, TWO_FACTOR):
            _check_page(answer)
        return answer

    async def _send_code(self, page: Answer) -> Answer:
        token = _token_of(page)
        code = await self._code()
        answer = await self._site.post(TWO_FACTOR, {**token, "code": code, "submit_code": ""})
        if _is_at(answer, TWO_FACTOR) or _is_at(answer, LOGIN):
            _check_page(answer)
            raise LoginRefusedError(self._refusal(read_html(answer.text()).alert, code))
        return answer

    async def _code(self) -> str:
        if self._config.totp_secret is not None:
            return await self._next_code(self._config.totp_secret)
        if self._config.ask_code is not None:
            return "".join((await self._config.ask_code()).split())
        raise ConfigurationError("Kameo asks for a two-factor code, but KAMEO_TOTP_SECRET is not set")

    async def _next_code(self, secret: SecretStr) -> str:
        """A code that nobody has used: a server takes each only once (RFC 6238 section 5.2)."""
        key = key_of(secret)
        while True:
            now = self._clock.now().timestamp() + self._site.skew
            left = STEP_SECONDS - now % STEP_SECONDS
            if left > _TRAVEL_SECONDS and await self._use_code(self._config.account, step_at(now)):
                return code_at(key, step_at(now))
            await self._tell(f"Waiting {math.ceil(left)} s for the next two-factor code")
            await self._clock.sleep(left)

    def _refusal(self, reason: str, code: str) -> str:
        """Kameo's reason goes along only when it repeats nothing that was sent."""
        remedy = "" if self._is_typed else ": check KAMEO_TOTP_SECRET and this machine's clock"
        text = f"Kameo does not accept the two-factor code{remedy}"
        secrets = [*self._config.credentials(), code, *self._site.cookies.values()]
        if self._config.totp_secret:
            secrets.append(self._config.totp_secret.get_secret_value())
        told = reason.casefold()
        if (
            not reason
            or any(char.isdigit() for char in reason)
            or any(one.casefold() in told for one in secrets)
        ):
            return text
        return f'{text} (it says "{reason[:200]}")'


def _is_at(answer: Answer, path: str) -> bool:
    return answer.url.path.rstrip("/").endswith(path)


def _check_page(answer: Answer) -> None:
    if answer.status in (401, 422):  # some servers refuse a login so
        return
    if answer.status == 429:
        raise RateLimitedError("Kameo asks to wait before the next login", retry=False)
    check_status(answer)
    if answer.content_type and not answer.is_html:
        raise UpstreamInvalidError("Kameo's site answers with something that is no web page")


def _token_of(page: Answer) -> dict[str, str]:
    """The hidden token of the form that posts the code; the other form, BankID's, has one of its own."""
    for form in read_html(page.text()).forms:
        if form.posts_to(str(page.url), TWO_FACTOR):
            return {_TOKEN: form.hidden[_TOKEN]} if _TOKEN in form.hidden else {}
    raise UpstreamInvalidError("Kameo's two-factor page has no form for a code")
