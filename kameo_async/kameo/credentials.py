"""What a configuration logs in with, as others may be told of it: a digest, and a key that opens a seal."""

import asyncio
import hashlib
import hmac
from functools import lru_cache

from kameo_async.kameo.config import KameoConfig
from kameo_async.kameo.totp import key_of


class Credentials:
    """The e-mail, password and secret of one configuration, none of which comes out of it.

    Raises ConfigurationError where one is missing, or the secret is none.
    """

    def __init__(self, config: KameoConfig) -> None:
        config.credentials()
        self.account = config.account
        self._config = config

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
        email, password = self._config.credentials()
        secret = self._config.totp_secret
        totp = key_of(secret).hex() if secret else ""  # however it is written
        return await asyncio.to_thread(_root, email, f"{password}\0{totp}")


@lru_cache(maxsize=8)
def _root(email: str, secret: str) -> bytes:
    """scrypt (RFC 7914), slow on purpose: what is made from it is stored where several machines share it."""
    return hashlib.scrypt(secret.encode(), salt=email.encode(), n=2**14, r=8, p=1, dklen=32)
