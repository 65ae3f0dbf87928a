"""The site's pages as HTML; whatever comes from a loan or a visitor is escaped."""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from aiohttp import web

LOGIN = """
<h1>Logga in</h1>
<p>Sandlådan: här finns inga riktiga lån och inga riktiga pengar.</p>
{alert}
<form method="post" action="/user/login">
    <label>E-post <input type="email" name="Login" autocomplete="username"></label>
    <label>Lösenord <input type="password" name="Password" autocomplete="current-password"></label>
    <input type="hidden" name="RedirectURI" value="">
    <button class="btn btn-primary" type="submit" name="LoginButton">Logga in</button>
</form>
"""

TWO_FACTOR = """
<h1>Tvåfaktorsautentisering</h1>
{alert}
<form method="post" action="/auth/e-sign">
<input type="hidden" name="ezxform_token" value="{e_sign_token}" />
    <button class="btn btn-primary btn-cta" type="submit" name="submit_esign">Fortsätt med BankID</button>
</form>
<form method="post" action="/auth/2fa">
<input type="hidden" name="ezxform_token" value="{form_token}" />
    <input class="form-control" type="tel" name="code" id="code" autocomplete="off" autofocus>
    <button class="btn btn-primary btn-cta" type="submit" name="submit_code">Fortsätt</button>
    <button class="btn btn-default" type="submit" name="cancel">Avbryt</button>
</form>
"""

_PAGE = """<!DOCTYPE html>
<html lang="sv">
<head>
<meta charset="utf-8">
{meta}<title>{title} | Kameo (sandlåda)</title>
</head>
<body>{body}</body>
</html>
"""

_NGINX = """<html>
<head><title>{status} {reason}</title></head>
<body>
<center><h1>{status} {reason}</h1></center>
<hr><center>nginx</center>
</body>
</html>
"""


def page(title: str, body: str, *, csrf_token: str | None = None, status: int = 200) -> web.Response:
    """A page of the site; with a CSRF token in its head where one is given."""
    meta = f'<meta name="csrf-token" id="ezxform_token_js" content="{csrf_token}">\n' if csrf_token else ""
    text = _PAGE.format(title=escape(title), body=body, meta=meta)
    return web.Response(text=text, content_type="text/html", status=status)


def alert(text: str | None) -> str:
    """Where the site says what went wrong; empty without a text."""
    return f'<div class="alert alert-danger" role="alert">{escape(text)}</div>' if text else ""


def nginx_page(status: int, reason: str) -> web.Response:
    """What nginx answers when what stands behind it does not."""
    return web.Response(
        text=_NGINX.format(status=status, reason=reason), content_type="text/html", status=status
    )


def loan_list(rows: Iterable[Mapping[str, Any]]) -> str:
    """The loans with a link each."""
    return f"<h1>Aktuella lån</h1><ol>{''.join(map(_list_item, rows))}</ol>"


def _list_item(row: Mapping[str, Any]) -> str:
    address = f"/listing/investment-option/{row['loan_application_id']}"
    return f'<li><a href="{address}">{escape(row["title"])}</a></li>'


def loan_sheet(row: Mapping[str, Any]) -> str:
    """Every field of a loan."""
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(_text(value))}</dd>" for name, value in row.items())
    return f"<h1>{escape(row['title'])}</h1><dl>{lines}</dl>"


def _text(value: object) -> str:
    if isinstance(value, dict):
        return str(value["status_text_localized"])
    return "" if value is None else str(value)
