"""What Prometheus is told; names and units after its conventions, no id as a label."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from kameo_async.jobs.models import Job, JobStatus
from kameo_async.jobs.subscription import Event, Expired

Counts = Callable[[], Mapping[tuple[str, JobStatus], int]]


class Metrics:
    """One registry an application; a `Listener` of all jobs, told of each answer by the door."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "kameo_async_http_requests_total",
            "Requests answered, by route.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "kameo_async_http_request_duration_seconds",
            "Time to the answer, long polls included.",
            ("method", "route"),
            registry=self.registry,
        )
        self._finished = Counter(
            "kameo_async_jobs_finished_total", "Jobs that ended.", ("kind", "status"), registry=self.registry
        )
        self._queued_seconds = Histogram(
            "kameo_async_job_queue_seconds", "Time from submit to start.", ("kind",), registry=self.registry
        )
        self._running_seconds = Histogram(
            "kameo_async_job_run_seconds", "Time from start to end.", ("kind",), registry=self.registry
        )
        self._expired = Counter(
            "kameo_async_jobs_expired_total",
            "Finished jobs removed, at their time or early to make room.",
            ("reason",),
            registry=self.registry,
        )
        self._upstream_requests = Counter(
            "kameo_async_upstream_requests_total",
            "Requests to the upstream.",
            ("outcome",),
            registry=self.registry,
        )
        self._throttle_seconds = Counter(
            "kameo_async_upstream_throttle_seconds_total",
            "Time spent waiting for the upstream's limit.",
            registry=self.registry,
        )

    def watch(self, counts: Counts, sockets: Callable[[], int]) -> None:
        """Adds gauges that are read when somebody asks."""
        self.registry.register(_Gauges(counts, sockets))

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

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
            self._queued_seconds.labels(event.kind).observe(
                (event.started_at - event.created_at).total_seconds()
            )

    def expose(self) -> bytes:
        """Prometheus's text format."""
        return generate_latest(self.registry)

    def _ended(self, job: Job) -> None:
        self._finished.labels(job.kind, job.status).inc()
        if job.started_at is not None and job.finished_at is not None:
            self._running_seconds.labels(job.kind).observe((job.finished_at - job.started_at).total_seconds())


class _Gauges(Collector):
    def __init__(self, counts: Counts, sockets: Callable[[], int]) -> None:
        self._counts = counts
        self._sockets = sockets

    def collect(self) -> Iterable[GaugeMetricFamily]:
        jobs = GaugeMetricFamily("kameo_async_jobs", "Jobs kept.", labels=("kind", "status"))
        for (kind, status), count in self._counts().items():
            jobs.add_metric((kind, status), count)
        yield jobs
        yield GaugeMetricFamily(
            "kameo_async_websocket_connections", "Websockets open.", value=self._sockets()
        )
