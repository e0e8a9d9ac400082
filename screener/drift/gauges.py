"""Drift in `/metrics`: the last figures, by feature."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge

from screener.drift.figures import Figures

_NONE = float("nan")


class Gauges:
    """Gauges of the last figures; what could not be computed is NaN, and before the first figures everything is."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Registers the gauges."""

        def by_feature(name: str, description: str) -> Gauge:
            return Gauge(f"screener_{name}", description, ("feature",), registry=registry)

        def gauge(name: str, description: str) -> Gauge:
            made = Gauge(f"screener_{name}", description, registry=registry)
            made.set(_NONE)
            return made

        self._psi = by_feature("drift_psi", "Population stability index against the judge's baseline.")
        self._expected = by_feature("drift_psi_expected", "The population stability index that chance alone makes.")
        self._ks = by_feature("drift_ks", "Kolmogorov-Smirnov distance from the judge's baseline.")
        self._drifted = by_feature("drift_drifted", "1 where the shift is large, and too large for chance.")
        self._rows = gauge("drift_screenings", "Screenings that the last figures were computed from.")
        self._at = gauge("drift_computed_timestamp_seconds", "When the last figures were computed.")
        self._shares = {
            "prompted": gauge("prompt_rate", "Listings prompted, of those screened in the last days."),
            "degraded": gauge("degraded_share", "Screenings in which a picture was left out for lack of time."),
            "unknown": gauge("brand_unknown_share", "Screenings of listings of a brand that nobody registered."),
            "answered": gauge("prompt_answered_share", "Prompts that sellers answered, of those they saw."),
            "accepted": gauge("prompt_acceptance", "Answered prompts after which sellers edited or withdrew."),
        }
        self._age = gauge("reference_age_days", "Median age of the active references.")
        self._old = gauge("references_over_a_year_share", "Active references that are older than a year.")

    def show(self, found: Figures) -> None:
        """Takes the figures over."""
        for labelled in (self._psi, self._expected, self._ks, self._drifted):
            labelled.clear()
        for shift in found.shifts:
            self._psi.labels(shift.name).set(shift.psi.value)
            self._expected.labels(shift.name).set(shift.psi.expected)
            self._drifted.labels(shift.name).set(shift.level != "none")
            if shift.ks is not None:
                self._ks.labels(shift.name).set(shift.ks.value)
        self._rows.set(found.rows)
        self._at.set(found.at.timestamp())
        for name, made in self._shares.items():
            value = getattr(found, name).value
            made.set(_NONE if value is None else value)
        ages = found.references
        self._age.set(_NONE if ages.median_days is None else ages.median_days)
        self._old.set(ages.old / ages.number if ages.number else _NONE)
