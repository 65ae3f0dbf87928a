"""The site: login, two-factor, and pages for people."""

from typing import NoReturn

import structlog
from aiohttp import web

from kameo_async.sandbox import pages
from kameo_async.sandbox.account import Session, Stage, Verdict
from kameo_async.sandbox.manners import refuse_strangers
from kameo_async.sandbox.world import COOKIE, WORLD, World

log = structlog.get_logger()

_WRONG_PASSWORD = "Felaktig e-postadress eller felaktigt lösenord."  # noqa: S105 - a sentence
_REFUSALS = {
    Verdict.WRONG: "Koden är felaktig.",
    Verdict.USED: "Koden har redan använts. Vänta på nästa.",
}


def routes() -> list[web.RouteDef]:
    """What the site serves."""
    return [
        web.get("/", _root),
        web.get("/user/login", _login_page),
        web.post("/user/login", _log_in),
        web.get("/auth/check", _check),
        web.get("/auth/2fa", _two_factor_page),
        web.post("/auth/2fa", _two_factor),
        web.post("/auth/e-sign", _e_sign),
        web.get("/investor/dashboard", _dashboard),
        web.get("/aktuella-lan", _current_loans),
        web.get(r"/listing/investment-option/{loan_id:\d{1,12}}", _short_loan_address),
        web.get(r"/listing/investment-option/{loan_id:\d{1,12}}/lan", _loan),
    ]


async def _root(_: web.Request) -> NoReturn:
    raise web.HTTPFound("/user/login")


async def _login_page(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    session_id = request.cookies.get(COOKIE)
    session = world.sessions.find(session_id)
    if session is None:
        session_id = world.sessions.start()
        session = world.sessions.find(session_id)
    assert session is not None
    assert session_id is not None
    return _with_cookie(_login_form(world, session), session_id)


def _login_form(world: World, session: Session | None, alert: str | None = None) -> web.Response:
    token = session.csrf_token if session and world.options.csrf else None
    return pages.page("Logga in", pages.LOGIN.format(alert=pages.alert(alert)), csrf_token=token)


async def _log_in(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    refuse_strangers(request)
    session = world.session_of(request)
    if session is None:
        raise web.HTTPFound("/user/login")
    if world.options.csrf and request.headers.get("X-CSRF-Token") != session.csrf_token:
        return pages.page("Fel", "<p>Wrong or missing form token.</p>", status=403)
    form = await _form(request)
    known = {"LoginButton", "RedirectURI"} <= form.keys()
    if not (known and world.account.knows(form.get("Login", ""), form.get("Password", ""))):
        world.record.passwords_refused += 1
        log.info("sandbox.login_refused", reason="password")
        return _login_form(world, session, _WRONG_PASSWORD)
    return _accept_password(world, request.cookies.get(COOKIE))


def _accept_password(world: World, session_id: str | None) -> web.Response:
    """A new session takes the place of the anonymous one, so that nobody can have planted it."""
    world.sessions.end(session_id)
    new_id = world.sessions.start(Stage.PASSWORD)
    session = world.sessions.find(new_id)
    if session is not None and not world.options.two_factor:
        _finish(world, session)
    response = web.Response(status=302, headers={"Location": "/auth/check"})
    return _with_cookie(response, new_id)


def _finish(world: World, session: Session) -> None:
    session.stage = Stage.LOGGED_IN
    world.record.logins += 1
    log.info("sandbox.logged_in", two_factor=world.options.two_factor)


async def _check(request: web.Request) -> NoReturn:
    session = request.app[WORLD].session_of(request)
    if session is not None and session.stage is Stage.PASSWORD:
        raise web.HTTPFound("/auth/2fa")
    raise web.HTTPFound(
        "/user/login" if session is None or session.stage is Stage.ANONYMOUS else "/investor/dashboard"
    )


async def _two_factor_page(request: web.Request) -> web.Response:
    session = _half_logged_in(request)
    alert, session.alert = session.alert, None
    return _two_factor_form(session, alert)


def _two_factor_form(session: Session, alert: str | None) -> web.Response:
    body = pages.TWO_FACTOR.format(
        alert=pages.alert(alert), e_sign_token=session.e_sign_token, form_token=session.form_token
    )
    return pages.page("Tvåfaktorsautentisering", body)


async def _two_factor(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    refuse_strangers(request)
    session = _half_logged_in(request)
    form = await _form(request)
    if form.get("ezxform_token") != session.form_token:
        return pages.page("Fel", "<p>Wrong or missing form token.</p>", status=403)
    if "submit_code" not in form:
        world.sessions.end(request.cookies.get(COOKIE))
        raise web.HTTPFound("/user/login")
    verdict = world.account.verdict(form.get("code", ""), world.clock.now().timestamp())
    if verdict is not Verdict.ACCEPTED:
        return _refuse_code(world, session, verdict)
    _finish(world, session)
    raise web.HTTPFound("/aktuella-lan")


def _refuse_code(world: World, session: Session, verdict: Verdict) -> web.Response:
    world.record.codes_refused += 1
    world.record.codes_used_twice += verdict is Verdict.USED
    log.info("sandbox.login_refused", reason="code", used=verdict is Verdict.USED)
    if world.options.refuses_inline:
        return _two_factor_form(session, _REFUSALS[verdict])
    session.alert = _REFUSALS[verdict]
    raise web.HTTPFound("/auth/2fa")


async def _e_sign(request: web.Request) -> web.Response:
    _half_logged_in(request)
    return pages.page("BankID", "<p>Sandlådan har inget BankID.</p>", status=501)


def _half_logged_in(request: web.Request) -> Session:
    session = request.app[WORLD].session_of(request)
    if session is None or session.stage is Stage.ANONYMOUS:
        raise web.HTTPFound("/user/login")
    if session.stage is Stage.LOGGED_IN:
        raise web.HTTPFound("/investor/dashboard")
    return session


async def _dashboard(request: web.Request) -> web.Response:
    _logged_in(request)
    return pages.page("Översikt", '<h1>Översikt</h1><p><a href="/aktuella-lan">Aktuella lån</a></p>')


async def _current_loans(request: web.Request) -> web.Response:
    _logged_in(request)
    world = request.app[WORLD]
    at = world.now()
    numbers = world.market.listed(at, {"SE", "NO", "DK"})[:12]
    return pages.page("Aktuella lån", pages.loan_list(world.market.rows(numbers, at)))


async def _short_loan_address(request: web.Request) -> NoReturn:
    raise web.HTTPFound(f"/listing/investment-option/{request.match_info['loan_id']}/lan")


async def _loan(request: web.Request) -> web.Response:
    world = request.app[WORLD]
    row = world.market.find(int(request.match_info["loan_id"]), world.now())
    if row is None:
        raise web.HTTPNotFound
    return pages.page(row["title"], pages.loan_sheet(row))


def _logged_in(request: web.Request) -> None:
    session = request.app[WORLD].session_of(request)
    if session is None or session.stage is not Stage.LOGGED_IN:
        raise web.HTTPFound("/user/login")


async def _form(request: web.Request) -> dict[str, str]:
    """The fields of a form-encoded body; none in a body of another type."""
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}


def _with_cookie(response: web.Response, session_id: str) -> web.Response:
    response.set_cookie(COOKIE, session_id, path="/", httponly=True, samesite="Lax")
    return response
