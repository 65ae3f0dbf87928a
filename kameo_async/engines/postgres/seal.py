"""Cookies under a seal: AES-256-GCM (NIST SP 800-38D), with a key that only who may log in can work out."""

import os
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kameo_async.kameo.login import LoggedIn

_NONCE_BYTES = 12


class _Content(msgspec.Struct):
    cookies: Mapping[str, str]
    skew: float
    two_factor: bool


def sealed(key: bytes, account: str, login: LoggedIn) -> bytes:
    """A login, readable with the same key for the same account only."""
    content = msgspec.json.encode(_Content(dict(login.cookies), login.skew, login.two_factor))
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, account.encode())


def unsealed(key: bytes, account: str, seal: bytes) -> LoggedIn | None:
    """The login; null where it was sealed with other credentials, or is not as it was."""
    try:
        content = AESGCM(key).decrypt(seal[:_NONCE_BYTES], seal[_NONCE_BYTES:], account.encode())
        login = msgspec.json.decode(content, type=_Content)
    except (InvalidTag, ValueError, msgspec.MsgspecError):
        return None
    return LoggedIn(login.cookies, login.skew, login.two_factor)
