"""What Prometheus is told; names and units after its conventions, no id as a label."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from kameo_async.jobs.models import Job, JobStatus
from kameo_async.jobs.service import JobService
from kameo_async.jobs.subscription import Event, Expired
from kameo_async.web.tally import Tally

disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series

Family = CounterMetricFamily | GaugeMetricFamily

# Anybody may invent a method, and each would be a series for ever.
METHODS: Final = frozenset({"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "PATCH"})
JOB_ROUTE: Final = "/api/jobs/{job}"
SWITCHING_PROTOCOLS: Final = 101
JOB_SECONDS: Final = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200)


class Metrics:
    """One registry an application; a `Listener` of all jobs, told of each answer by the door."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers: dict[tuple[str, str, int], tuple[Counter, tuple[str, str]]] = {}
        self._endings: dict[tuple[str, JobStatus], Counter] = {}
        self._polls = 0
        self._requests = self._counter(
            "http_requests", "Requests answered, by route.", "method", "route", "status"
        )
        self._request_seconds = self._seconds(
            "http_request_duration",
            "Time to the answer, long polls included; of websockets and plain polls of a job none.",
            ("method", "route"),
            Histogram.DEFAULT_BUCKETS[:-1],
        )
        self._finished = self._counter("jobs_finished", "Jobs that ended.", "kind", "status")
        self._queued_seconds = self._seconds(
            "job_queue", "Time from submit to start.", ("kind",), JOB_SECONDS
        )
        self._running_seconds = self._seconds("job_run", "Time from start to end.", ("kind",), JOB_SECONDS)
        self._expired = self._counter(
            "jobs_expired", "Finished jobs removed, at their time or early to make room.", "reason"
        )
        for reason in ("ttl", "early"):
            self._expired.labels(reason)
        self._upstream_requests = self._counter(
            "upstream_requests", "Requests to the upstream, by status or what went wrong.", "outcome"
        )
        self._throttle_seconds = self._counter(
            "upstream_throttle_seconds", "Time that requests waited for the upstream's limit."
        )

    def watch(self, jobs: JobService, sockets: Callable[[], int]) -> None:
        """Adds what is read when somebody asks."""
        self.registry.register(_Watching(jobs, sockets))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered, or its websocket closed."""
        key = (method, route, status)
        requests, labels = self._answers.get(key) or self._answer(key)
        requests.inc()
        if status != SWITCHING_PROTOCOLS:
            self._request_seconds.observe(labels, seconds)

    def polled(self) -> None:
        """A plain poll of a job was answered: counted, as there are thousands a second, but not timed."""
        self._polls += 1

    def requested(self, outcome: str) -> None:
        """A request to the upstream ended: its status, or a word for what went wrong."""
        self._upstream_requests.labels(outcome).inc()

    def throttled(self, seconds: float) -> None:
        """A request to the upstream waited for its turn."""
        self._throttle_seconds.inc(seconds)

    def notify(self, event: Event) -> None:
        if isinstance(event, Expired):
            self._expired.labels("early" if event.early else "ttl").inc()
        elif event.is_terminal:
            self._ended(event)
        elif event.started_at is not None and event.progress is None:
            _observe(self._queued_seconds, event.kind, event.created_at, event.started_at)

    def expose(self) -> bytes:
        """Prometheus's text format."""
        polls, self._polls = self._polls, 0
        self._requests.labels("GET", JOB_ROUTE, "200").inc(polls)
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"kameo_async_{name}_total", text, labels, registry=self.registry)

    def _seconds(self, name: str, text: str, labels: Sequence[str], bounds: Sequence[float]) -> Tally:
        tally = Tally(f"kameo_async_{name}_seconds", text, labels, bounds)
        self.registry.register(tally)
        return tally

    def _answer(self, key: tuple[str, str, int]) -> tuple[Counter, tuple[str, str]]:
        """The counter of such an answer and its histogram's labels; finding them costs more than counting."""
        method, route, status = key
        known = method if method in METHODS else "other"
        series = self._requests.labels(known, route, str(status)), (known, route)
        if known == method:
            self._answers[key] = series
        return series

    def _ended(self, job: Job) -> None:
        ending = self._endings.get((job.kind, job.status))
        if ending is None:
            ending = self._endings[job.kind, job.status] = self._finished.labels(job.kind, job.status)
        ending.inc()
        if job.started_at is not None and job.finished_at is not None:
            _observe(self._running_seconds, job.kind, job.started_at, job.finished_at)


def _observe(seconds: Tally, kind: str, start: datetime, end: datetime) -> None:
    """The wall clock may be set back; a histogram knows no negative time."""
    seconds.observe((kind,), max(0.0, (end - start).total_seconds()))


class _Watching(Collector):
    def __init__(self, jobs: JobService, sockets: Callable[[], int]) -> None:
        self._jobs = jobs
        self._sockets = sockets

    def collect(self) -> Iterable[Family]:
        yield self._counts()
        yield GaugeMetricFamily(
            "kameo_async_websocket_connections", "Websockets open.", value=self._sockets()
        )
        yield GaugeMetricFamily(
            "kameo_async_asyncio_tasks", "Tasks of the event loop.", value=len(asyncio.all_tasks())
        )
        reaper = self._jobs.reaper
        yield CounterMetricFamily(
            "kameo_async_reaper_failures_total",
            "Rounds of the reaper that ended on an error.",
            value=reaper.failures,
        )
        if reaper.last_run_at is not None:
            yield GaugeMetricFamily(
                "kameo_async_reaper_last_run_timestamp_seconds",
                "When the reaper's last good round ended.",
                value=reaper.last_run_at.timestamp(),
            )

    def _counts(self) -> Family:
        jobs = GaugeMetricFamily("kameo_async_jobs", "Jobs kept.", labels=("kind", "status"))
        for (kind, status), count in self._jobs.counts().items():
            jobs.add_metric((kind, status), count)
        return jobs
