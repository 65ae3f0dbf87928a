"""The tests here run on a loop whose time they move."""

from collections.abc import Callable, Mapping

from tests.contract.slow.loop import MovableLoop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], MovableLoop]]:
    return {"movable": MovableLoop}
