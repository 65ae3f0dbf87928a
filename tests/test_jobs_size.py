"""What a kept job is counted as."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from kameo_async.jobs import models
from kameo_async.jobs.document import document, size_of
from kameo_async.jobs.models import Cancellation, Failure, Progress

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
OUTCOMES = st.one_of(
    st.binary(max_size=20).map(lambda text: b'"%b"' % text.hex().encode()),
    st.builds(Failure, TEXT, TEXT, st.booleans()),
    st.builds(Cancellation, st.none() | st.just(models.SHUTDOWN)),
)
PROGRESS = st.none() | st.builds(Progress, st.integers(0, 2**50), st.none() | st.integers(0, 99), TEXT, TEXT)


@given(OUTCOMES, PROGRESS, st.booleans())
def test_its_size_is_that_of_its_document(
    outcome: models.Outcome, progress: Progress | None, is_started: bool
) -> None:
    """Whatever it ended with, and wherever it stands, the bytes are counted as they would be written."""
    job = models.new_job("loan-history", b"{}", NOW)
    for one in (job, models.start(job, NOW)):
        assert size_of(one) == len(document(one))
    ended = models.finish(models.start(job, NOW) if is_started else job, outcome, progress, NOW, 60)
    assert size_of(ended) == len(document(ended))
