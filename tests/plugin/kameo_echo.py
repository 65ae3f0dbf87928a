"""Two kinds of job from another package: the contract's example, and one whose result is a table."""

from pydantic import BaseModel, Field

from kameo_async import Report


class Echo:
    """The example of the contract."""

    kind = "echo"
    title = "Say it again"
    description = "Returns the text, a word at a time."

    class Params(BaseModel):
        text: str = Field(max_length=1000)

    class Result(BaseModel):
        text: str

    async def run(self, params: Params, report: Report) -> Result:
        words = params.text.split()
        for n, word in enumerate(words, 1):
            await report(n, len(words), unit="words", message=word)
        return self.Result(text=params.text)


class Word(BaseModel):
    """A row of the table."""

    n: int
    word: str


class Words:
    """The same as a table."""

    kind = "words"
    title = "Count words"
    description = "Returns the words of a text in rows."
    table = "rows"

    class Params(BaseModel):
        text: str = Field("one two", max_length=1000)

    class Result(BaseModel):
        rows: list[Word]

    async def run(self, params: Params, report: Report) -> Result:
        words = params.text.split()
        await report(len(words), len(words), unit="words")
        return self.Result(rows=[Word(n=n, word=word) for n, word in enumerate(words, 1)])
