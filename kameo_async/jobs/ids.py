"""Ids of jobs: random, and unlike in every process."""

import os

_AT_ONCE = 256

_random: list[bytes] = []
os.register_at_fork(after_in_child=_random.clear)


def new_id() -> str:
    """A UUID that cannot be guessed (122 random bits, RFC 9562 section 5.4); `uuid.uuid4` takes 2 us more."""
    random = _sixteen_bytes()
    digits, variant = random.hex(), "89ab"[random[8] >> 6]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def _sixteen_bytes() -> bytes:
    """From the system, many at a time: each call lets the interpreter's lock go, and the journal takes it."""
    try:
        return _random.pop()
    except IndexError:
        more = os.urandom(16 * _AT_ONCE)
        _random.extend(more[at : at + 16] for at in range(16, len(more), 16))
        return more[:16]
