"""The state machine, run on each engine."""

from hypothesis import Phase, settings

from tests.engine_suite.machine import JobsMachine

TestJobsInMemory = JobsMachine.TestCase
TestJobsInMemory.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # thirty steps are read faster than they are shrunk
)
