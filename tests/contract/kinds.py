"""A kind whose result is its params, to see what arrived."""

from typing import Literal

from pydantic import BaseModel, Field

from kameo_async import Report


class Mirror:
    kind = "mirror"
    title = "Show the params"
    description = "Its result is its params."

    class Params(BaseModel):
        limit: int = Field(12, ge=1, le=100)
        page: int = Field(1, ge=1)
        max_pages: int | None = Field(None, ge=1, le=1000)
        ratio: float | None = None
        is_fresh: bool = False
        note: str | None = Field(None, max_length=5)
        countries: tuple[Literal["SE", "NO", "DK"], ...] = ("SE", "DK")
        ids: tuple[int, ...] | None = None

    Result = Params

    async def run(self, params: Params, report: Report) -> Params:
        return params
