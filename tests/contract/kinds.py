"""Kinds for these tests alone."""

from typing import Literal

from pydantic import BaseModel, Field, model_validator

from kameo_async import Report


class Mirror:
    """Its result is its params, to see what arrived."""

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
        countries: tuple[Literal["SE", "NO", "DK"], ...] = Field(("SE", "DK"), min_length=1)
        ids: tuple[int, ...] | None = None

    Result = Params

    async def run(self, params: Params, report: Report) -> Params:
        return params


class Unsound:
    """Takes the service itself by surprise when it looks at the params."""

    kind = "unsound"
    title = "Surprise"
    description = "Its params cannot be looked at."

    class Params(BaseModel):
        @model_validator(mode="before")
        @classmethod
        def look(cls, _: object) -> object:
            raise RuntimeError("a secret of the service")

    Result = Params

    async def run(self, params: Params, report: Report) -> Params:
        return params
