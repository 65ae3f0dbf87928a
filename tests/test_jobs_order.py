"""The order of the few does what the library's for many does."""

from hypothesis import given
from hypothesis import strategies as st
from sortedcontainers import SortedList

from kameo_async.jobs.order import Few, newest

NUMBERS = st.integers(0, 9)


@given(st.lists(st.tuples(st.booleans(), NUMBERS)), NUMBERS, st.none() | NUMBERS)
def test_few_are_kept_as_many_are(changes: list[tuple[bool, int]], count: int, before: int | None):
    """What is added, removed and looked up; to remove what is not there fails, and changes nothing."""
    few, many = Few(), SortedList()
    for is_added, number in changes:
        outcomes = []
        for order in (few, many):
            try:
                order.add(number) if is_added else order.remove(number)
            except ValueError:
                outcomes.append("not there")
            else:
                outcomes.append("done")
        assert outcomes[0] == outcomes[1]
        assert list(few) == list(many)
    assert newest(few, count, before) == newest(many, count, before)
