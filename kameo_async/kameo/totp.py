"""Codes of an authenticator app: RFC 6238 with SHA-1, 30 seconds and 6 digits.

Written out, because libraries refuse the 16-character secrets (80 bits) that many services hand out.
"""

import base64
import binascii
import hmac

from pydantic import SecretStr

from kameo_async.kameo.errors import ConfigurationError

STEP_SECONDS = 30


def key_of(secret: SecretStr) -> bytes:
    """The key in a secret as people paste it: Base32 in any case, with spaces or dashes, unpadded.

    Raises ConfigurationError when it is not Base32 (RFC 4648).
    """
    pasted = secret.get_secret_value()
    text = "".join(char for char in pasted if not char.isspace() and char not in "-=").upper()
    try:
        key = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ConfigurationError("KAMEO_TOTP_SECRET is not Base32, as an authenticator app takes it")
    return key


def step_at(unix_time: float) -> int:
    """The number of the 30-second window that `unix_time` lies in (RFC 6238 section 4.2)."""
    return int(unix_time // STEP_SECONDS)


def code_at(key: bytes, step: int) -> str:
    """The six digits for a window (RFC 4226 section 5.3)."""
    digest = hmac.digest(key, step.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 1_000_000:06}"
