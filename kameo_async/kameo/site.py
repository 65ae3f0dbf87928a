"""The site's pages: cookies kept, redirects followed by hand and never to another origin."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from yarl import URL

from kameo_async.clock import Clock
from kameo_async.kameo.config import KameoConfig
from kameo_async.kameo.errors import UpstreamInvalidError
from kameo_async.kameo.transport import MAX_HTML_BYTES, Answer, Transport

_DATE_ROUNDING_SECONDS = 2


class Site:
    """A walk through the site, as a browser with an empty cookie jar would take it.

    The jar belongs to the two configured addresses alone. What Domain, Path and port a cookie names does
    not matter: nothing here ever asks another host. `skew` is the site's clock minus ours, in seconds.
    """

    def __init__(self, config: KameoConfig, transport: Transport, clock: Clock) -> None:
        self._base = config.site
        self._max_redirects = config.max_redirects
        self._transport = transport
        self._clock = clock
        self.cookies: dict[str, str] = {}
        self.skew: float = 0.0

    def url(self, path: str) -> URL:
        """The address of `path`, which begins with a slash."""
        return URL(f"{self._base}{path}")

    async def get(self, path: str, referer: URL | None = None) -> Answer:
        """The page that `path` leads to. Raises KameoError."""
        return await self._follow(await self._get(self.url(path), referer or self._base))

    async def post(self, path: str, form: Mapping[str, str], csrf: str | None = None) -> Answer:
        """Posts a form from the page at the same address; gives the page that this leads to."""
        url = self.url(path)
        answer = await self._transport.post(url, self.cookies, form, referer=url, csrf=csrf)
        self._learn(answer)
        return await self._follow(answer)

    async def _get(self, url: URL, referer: URL) -> Answer:
        answer = await self._transport.get(
            url, self.cookies, referer=referer, accept="text/html", max_bytes=MAX_HTML_BYTES
        )
        self._learn(answer)
        return answer

    async def _follow(self, answer: Answer) -> Answer:
        for _ in range(self._max_redirects):
            target = answer.location
            if target is None:
                return answer
            if target.scheme not in ("http", "https") or target.origin() != self._base.origin():
                raise UpstreamInvalidError("Kameo's site redirects to another site, which is not followed")
            answer = await self._get(target, answer.url)
        if answer.location is not None:
            raise UpstreamInvalidError(
                f"Kameo's site redirects more than {self._max_redirects} times in a row"
            )
        return answer

    def _learn(self, answer: Answer) -> None:
        for name, morsel in answer.cookies.items():
            if morsel["max-age"] == "0" or _is_past(morsel["expires"], self._clock.now()):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.coded_value
        self.skew = _skew(answer, self._clock.now())


def _is_past(expires: str, now: datetime) -> bool:
    time = read_date(expires)
    return time is not None and time < now


def _skew(answer: Answer, now: datetime) -> float:
    time = read_date(answer.headers.get("Date", ""))
    if time is None:
        return 0.0
    seconds = (time - now).total_seconds()
    return seconds if abs(seconds) > _DATE_ROUNDING_SECONDS else 0.0


def read_date(text: str) -> datetime | None:
    """A time as HTTP writes it (RFC 9110 section 5.6.7), null when it is none."""
    try:
        time = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
