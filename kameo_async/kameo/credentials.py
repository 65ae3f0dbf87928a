"""What a configuration logs in with, as others may be told of it: a digest, and a key that opens a seal."""

import asyncio
import hashlib
import hmac

from kameo_async.kameo.config import KameoConfig


class Credentials:
    """The e-mail, password and secret of one configuration, none of which comes out of it.

    Mutable: `_root`, worked out when first asked for. Raises ConfigurationError where one is missing.
    """

    def __init__(self, config: KameoConfig) -> None:
        config.credentials()
        self.account = config.account
        self._config = config
        self._root: bytes | None = None

    @property
    def has_key(self) -> bool:
        """Whether what is sealed with the key is safe from guessing: a password alone may be guessed."""
        return self._config.totp_secret is not None

    async def digest(self) -> str:
        """Tells credentials apart."""
        return hmac.digest(await self._slow(), b"digest", "sha256").hex()[:32]

    async def key(self) -> bytes:
        """32 bytes that only who has the same credentials can work out."""
        return hmac.digest(await self._slow(), b"key", "sha256")

    async def _slow(self) -> bytes:
        if self._root is None:
            self._root = await asyncio.to_thread(_root, self._config)
        return self._root


def _root(config: KameoConfig) -> bytes:
    """scrypt (RFC 7914), slow on purpose: what is made from it is stored where several machines share it."""
    email, password = config.credentials()
    totp = config.totp_secret.get_secret_value() if config.totp_secret else ""
    secret = "\0".join((password, totp)).encode()
    return hashlib.scrypt(secret, salt=email.encode(), n=2**14, r=8, p=1, dklen=32)
