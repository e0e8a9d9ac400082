"""Who may call what: the one table of every route and the scopes of the keys that may call it.

A route without a line stops the start, and a test makes every call with every scope and compares.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from starlette.routing import BaseRoute, Mount, Route

from brands.model import Scope

_EVERYBODY: Final[tuple[Scope, ...]] = ("hook", "brand", "reviewer", "ml", "admin", "ops")

_LINES: Final[Mapping[str, str]] = {
    # Publish hooks
    "POST /v1/screenings": "hook admin",
    "GET /v1/screenings/{screening_id}": "hook reviewer admin",
    "POST /v1/screenings/{screening_id}/responses": "hook admin",
    "GET /v1/screenings/{screening_id}/review": "hook reviewer admin",
    "GET /v1/decisions": "hook reviewer admin",
    # Pictures
    "GET /v1/references/{reference_id}/picture": "brand reviewer admin",
    "GET /v1/screenings/{screening_id}/pictures/{position}": "brand reviewer admin",
    "GET /v1/responses/{response_id}/pictures/{position}": "reviewer admin",
    "GET /v1/screenings/{screening_id}/evidence/{number}": "brand reviewer admin",
    # Reviews
    "GET /v1/reviews": "reviewer admin",
    "POST /v1/reviews/next": "reviewer admin",
    "GET /v1/reviews/{screening_id}": "reviewer admin",
    "POST /v1/reviews/{screening_id}/claim": "reviewer admin",
    "POST /v1/reviews/{screening_id}/release": "reviewer admin",
    "POST /v1/reviews/{screening_id}/decisions": "reviewer admin",
    # Appraisals
    "POST /v1/appraisals": "reviewer ml admin",
    "POST /v1/appraisals/import": "reviewer ml admin",
    "GET /v1/appraisals": "reviewer ml admin",
    "GET /v1/appraisals/conflicts": "reviewer ml admin",
    "GET /v1/appraisals/label-studio/configuration": "reviewer ml admin",
    "GET /v1/appraisals/label-studio/tasks": "reviewer ml admin",
    "GET /v1/appraisals/{appraisal_id}": "reviewer ml admin",
    "POST /v1/appraisals/{appraisal_id}/withdraw": "reviewer ml admin",
    # Matches
    "GET /v1/brands/{brand_id}/matches": "brand reviewer admin",
    "GET /v1/brands/{brand_id}/matches.csv": "brand reviewer admin",
    "GET /v1/brands/{brand_id}/matches/{screening_id}": "brand reviewer admin",
    "GET /v1/references/{reference_id}/precision": "brand reviewer admin",
    "GET /v1/brands/{brand_id}/trends": "brand reviewer admin",
    "GET /v1/trends": "reviewer admin ops",
    # Brands
    "POST /v1/brands": "admin",
    "GET /v1/brands": "brand reviewer admin",
    "GET /v1/brands/{brand_id}": "brand reviewer admin",
    "PUT /v1/brands/{brand_id}": "brand admin",
    "POST /v1/brands/{brand_id}/state": "admin",
    # References
    "POST /v1/brands/{brand_id}/references": "brand reviewer admin",
    "GET /v1/brands/{brand_id}/references": "brand reviewer admin",
    "GET /v1/references/{reference_id}": "brand reviewer admin",
    "POST /v1/references/{reference_id}/state": "brand reviewer admin",
    # Governance
    "POST /v1/brands/{brand_id}/references/preview": "brand reviewer admin",
    "GET /v1/references/{reference_id}/impact": "brand reviewer admin",
    "POST /v1/references/{reference_id}/approve": "brand reviewer admin",
    "POST /v1/references/{reference_id}/dispute": "brand reviewer admin",
    "POST /v1/references/{reference_id}/expiry": "brand admin",
    "POST /v1/brands/{brand_id}/negatives": "brand reviewer admin",
    "GET /v1/brands/{brand_id}/coverage": "brand reviewer admin",
    "GET /v1/brands/{brand_id}/standing": "brand reviewer admin",
    "POST /v1/brands/{brand_id}/standing": "admin",
    "GET /v1/brands/{brand_id}/notices": "brand reviewer admin",
    "POST /v1/brands/{brand_id}/notices/read": "brand admin",
    "GET /v1/approvals": "reviewer admin",
    "GET /v1/notices": "reviewer admin",
    "POST /v1/notices/read": "admin",
    "GET /v1/brands/{brand_id}/known-fakes/descriptors": "admin",
    "POST /v1/brands/{brand_id}/known-fakes/descriptors": "admin",
    # Spot checks
    "POST /v1/spot-checks/plans": "ml reviewer admin",
    "GET /v1/spot-checks/plans": "ml reviewer admin",
    "GET /v1/spot-checks/plans/{plan_id}": "ml reviewer admin",
    "GET /v1/spot-checks/plans/{plan_id}.csv": "ml reviewer admin",
    "POST /v1/spot-checks/plans/{plan_id}/cancel": "ml reviewer admin",
    "POST /v1/spot-checks/{spot_check_id}/state": "ml reviewer admin",
    "GET /v1/estimates": "ml reviewer admin",
    # Models
    "GET /v1/models": "ml admin",
    "GET /v1/models/{model_id}": "ml admin",
    "GET /v1/models/{model_id}/diff": "ml admin",
    "GET /v1/models/{model_id}/shadow": "ml admin",
    "POST /v1/models/{model_id}/shadow": "ml admin",
    "POST /v1/models/{model_id}/approve": "ml admin",
    "POST /v1/models/{model_id}/refuse": "ml admin",
    "POST /v1/models/{model_id}/promote": "ml admin",
    "POST /v1/models/{model_id}/rollback": "ml admin",
    # Buyers' signals
    "POST /v1/signals": "hook admin",
    "GET /v1/signals": "reviewer ml admin",
    "GET /v1/bursts": "reviewer ml admin ops",
    # Reports
    "GET /v1/drift": "ml reviewer admin ops",
    "GET /v1/reports/monthly": "brand ml reviewer admin ops",
    # Brands that nobody registered
    "GET /v1/discoveries": "ml admin",
    # Keys
    "POST /v1/keys": "admin",
    "GET /v1/keys": "admin ops",
    "POST /v1/keys/{key_id}/revoke": "admin",
    "POST /v1/keys/{key_id}/rotate": "admin",
    "POST /v1/keys/self/rotate": " ".join(_EVERYBODY),
    # Trace, retention, erasure
    "GET /v1/audit": "admin ops",
    "GET /v1/audit/checkpoints": "admin ops",
    "GET /v1/receipts": "admin ops",
    "GET /v1/holds": "admin ops",
    "POST /v1/holds": "admin",
    "POST /v1/holds/{hold_id}/release": "admin",
    "GET /v1/retention": "admin ops",
    "POST /v1/retention/run": "admin",
    "GET /v1/erasures": "admin ops",
    "POST /v1/erasures": "admin",
    # Sellers
    "GET /v1/sellers": "hook reviewer admin",
    "GET /v1/seller-events": "hook reviewer admin",
    "POST /v1/seller-events": "reviewer admin",
    "GET /v1/seller-actions": "hook reviewer admin",
    "POST /v1/seller-actions/{action_id}/state": "hook reviewer admin",
    "GET /v1/rescreens": "hook reviewer admin",
    # Webhooks
    "GET /v1/webhooks/messages": "admin",
    "GET /v1/webhooks/messages/{message_id}": "admin",
    "POST /v1/webhooks/messages/{message_id}/replay": "admin",
    "POST /v1/webhooks": "admin",
    "GET /v1/webhooks": "admin",
    "POST /v1/webhooks/{endpoint_id}/pause": "admin",
    "POST /v1/webhooks/{endpoint_id}/resume": "admin",
    "POST /v1/webhooks/{endpoint_id}/remove": "admin",
    "POST /v1/webhooks/{endpoint_id}/rotate": "admin",
    "POST /v1/webhooks/{endpoint_id}/test": "admin",
    "POST /v1/webhooks/{endpoint_id}/replay": "admin",
    # Pages
    "GET /app/": "brand reviewer ml admin",
    "POST /app/sign-out": "brand reviewer ml admin",
    "GET /app/brands": "admin",
    "POST /app/brands": "admin",
    "POST /app/brands/{brand_id}/state": "admin",
    "GET /app/brands/{brand_id}": "brand reviewer admin",
    "POST /app/brands/{brand_id}/notices": "brand",
    "POST /app/brands/{brand_id}/standing": "admin",
    "GET /app/brands/{brand_id}/coverage": "brand reviewer admin",
    "GET /app/brands/{brand_id}/report": "brand reviewer admin",
    "GET /app/brands/{brand_id}/report.csv": "brand reviewer admin",
    "GET /app/brands/{brand_id}/details": "brand admin",
    "POST /app/brands/{brand_id}/details": "brand admin",
    "POST /app/brands/{brand_id}/sellers": "brand admin",
    "GET /app/brands/{brand_id}/sellers.csv": "brand admin",
    "GET /app/brands/{brand_id}/references": "brand reviewer admin",
    "GET /app/brands/{brand_id}/known-fakes": "brand reviewer admin",
    "GET /app/brands/{brand_id}/upload": "brand admin",
    "POST /app/brands/{brand_id}/upload": "brand admin",
    "POST /app/brands/{brand_id}/upload/check": "brand admin",
    "GET /app/brands/{brand_id}/matches": "brand reviewer admin",
    "GET /app/brands/{brand_id}/matches.csv": "brand reviewer admin",
    "GET /app/brands/{brand_id}/matches/{screening_id}": "brand reviewer admin",
    "POST /app/brands/{brand_id}/negatives": "brand reviewer admin",
    "GET /app/references/{reference_id}": "brand reviewer admin",
    "GET /app/references/{reference_id}/impact": "brand reviewer admin",
    "GET /app/references/{reference_id}/picture": "brand reviewer admin",
    "GET /app/screenings/{screening_id}/pictures/{position}": "brand reviewer ml admin",
    "GET /app/responses/{response_id}/pictures/{position}": "reviewer admin",
    "POST /app/references/{reference_id}/approve": "brand reviewer admin",
    "POST /app/references/{reference_id}/reject": "reviewer admin",
    "POST /app/references/{reference_id}/withdraw": "brand admin",
    "POST /app/references/{reference_id}/dispute": "brand reviewer admin",
    "POST /app/references/{reference_id}/expiry": "brand admin",
    "POST /app/references/{reference_id}/reopen": "brand reviewer admin",
    "GET /app/approvals": "reviewer admin",
    "POST /app/notices": "admin",
    "GET /app/key": "brand reviewer ml admin",
    "POST /app/key": "brand reviewer ml admin",
    "GET /app/reviews": "reviewer admin",
    "POST /app/reviews/next": "reviewer admin",
    "GET /app/reviews/{screening_id}": "reviewer admin",
    "POST /app/reviews/{screening_id}/claim": "reviewer admin",
    "POST /app/reviews/{screening_id}/release": "reviewer admin",
    "POST /app/reviews/{screening_id}/decide": "reviewer admin",
    "GET /app/spot-checks": "reviewer ml admin",
    "POST /app/spot-checks": "reviewer ml admin",
    "GET /app/spot-checks/{plan_id}": "reviewer ml admin",
    "GET /app/spot-checks/{plan_id}/plan.csv": "reviewer ml admin",
    "POST /app/spot-checks/{plan_id}/cancel": "reviewer ml admin",
    "POST /app/spot-check-items/{spot_check_id}/state": "reviewer ml admin",
    "GET /app/appraisals": "reviewer ml admin",
    "GET /app/appraisals/table.csv": "reviewer ml admin",
    "POST /app/screenings/{screening_id}/appraisals": "reviewer ml admin",
    "POST /app/appraisals/import": "reviewer ml admin",
    "POST /app/appraisals/{appraisal_id}/withdraw": "reviewer ml admin",
    "GET /app/models": "ml admin",
    "GET /app/models/{model_id}": "ml admin",
    "POST /app/models/{model_id}/approve": "ml admin",
    "POST /app/models/{model_id}/refuse": "ml admin",
    "POST /app/models/{model_id}/promote": "ml admin",
    "POST /app/models/{model_id}/rollback": "ml admin",
    "POST /app/models/{model_id}/shadow": "ml admin",
    "GET /app/sellers": "reviewer admin",
    "POST /app/seller-actions/{action_id}/state": "reviewer admin",
    "POST /app/seller-events/{event_id}/appeal": "reviewer admin",
    "GET /app/report": "reviewer ml admin",
    "GET /app/report.csv": "reviewer ml admin",
    "GET /app/keys": "admin",
    "POST /app/keys": "admin",
    "POST /app/keys/{key_id}/rotate": "admin",
    "POST /app/keys/{key_id}/revoke": "admin",
}

PUBLIC: Final = frozenset(
    {
        "GET /healthz",
        "GET /readyz",
        "GET /metrics",
        "GET /openapi.json",
        "GET /docs",
        "GET /docs/oauth2-redirect",
        "GET /redoc",
        "GET /app/sign-in",
        "POST /app/sign-in",
        "GET /app/static/{name}",
    }
)
"""Routes without a key: state for the machine's keepers, the documentation, and what is needed to sign in."""

MOUNTED: Final = frozenset({"/static-offline-docs"})
"""Folders of files that come with the program; they hold nobody's data."""

ROUTES: Final[Mapping[str, frozenset[Scope]]] = MappingProxyType(
    {line: frozenset(scope for scope in _EVERYBODY if scope in scopes.split()) for line, scopes in _LINES.items()}
)
"""The scopes that may call a route, by `METHOD /path/{template}`."""


def check_routes(routes: Iterable[BaseRoute]) -> None:
    """Compares the table with the routes of an application, whose routers carry their whole path.

    Raises
    ------
    RuntimeError
        for a route without a line, and for a line without a route
    """
    found = {line for route in routes for line in _lines(route)}
    if wrong := sorted(found ^ (ROUTES.keys() | PUBLIC | MOUNTED)):
        raise RuntimeError(f"screener/access.py and the routes differ: {', '.join(wrong)}")


def _lines(route: BaseRoute) -> list[str]:
    if isinstance(route, Mount):
        return [route.path]
    if isinstance(route, Route):
        return [f"{method} {route.path}" for method in sorted((route.methods or set()) - {"HEAD"})]
    return []
