"""Which two-factor codes are used up: a server takes each once (RFC 6238 section 5.2)."""

from typing import LiteralString

from kameo_async.kameo.archive.database import Database

KEPT_STEPS = 2880  # windows of 30 s: a day
FUTURE_STEPS = 20  # a code used further ahead was used by a clock that has been wrong

USE_CODE: LiteralString = (
    "INSERT INTO codes (account, step) VALUES (?, ?)"
    " ON CONFLICT (account) DO UPDATE SET step = excluded.step"
    " WHERE excluded.step > codes.step OR codes.step > excluded.step + ? RETURNING step"
)
FORGET_CODES: LiteralString = "DELETE FROM codes WHERE step < ?"


def use_code(database: Database, account: str, step: int) -> bool:
    """Takes the code of a window; false when it or a later one has been taken."""
    with database.transaction():
        database.query(FORGET_CODES, step - KEPT_STEPS)
        return bool(database.query(USE_CODE, account, step, FUTURE_STEPS))
