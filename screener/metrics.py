"""What the service counts and times, for Prometheus."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The metrics of one application; a registry of its own, so that several may live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "screener_http_requests", "Requests answered.", ["method", "route", "status"], registry=self.registry
        )
        self.request_seconds = Histogram(
            "screener_http_request_seconds",
            "Time from the request's first byte to its answer.",
            ["method", "route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.screenings = Counter(
            "screener_screenings", "Listings judged.", ["verdict", "brand"], registry=self.registry
        )
        self.stage_seconds = Histogram(
            "screener_stage_seconds", "Time of one stage of a screening.", ["stage"], buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.pictures = Counter(
            "screener_pictures", "Pictures of listings, by what became of them.", ["status", "code"],
            registry=self.registry,
        )  # fmt: skip
        self.cached = Counter("screener_pictures_cached", "Pictures whose vectors were known.", registry=self.registry)
        self.webhooks = Counter(
            "screener_webhook_attempts", "Attempts to deliver a message: delivered, retried or failed for good.",
            ["outcome"], registry=self.registry,
        )  # fmt: skip
        self.waiting = Gauge("screener_screenings_waiting", "Screenings at work or waiting.", registry=self.registry)

        self.shadow_judged = Counter(
            "screener_shadow_judged", "Listings that a candidate judged in the shadow.", registry=self.registry
        )
        self.shadow_dropped = Counter(
            "screener_shadow_dropped", "Listings of the shadow's share that it did not judge.", registry=self.registry
        )
        self.shadow_seconds = Histogram(
            "screener_shadow_seconds", "Time that a candidate took for a listing in the shadow.",
            buckets=(0.0001, 0.001, *_SECONDS), registry=self.registry,
        )  # fmt: skip

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Adds a gauge that asks `value` each time it is read."""
        Gauge(name, description, registry=self.registry).set_function(value)

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)
