"""Wires settings to the HTTP application and serves it: `python serve.py`."""

import os

# Before NumPy is loaded: its matrix products are small here, and the idle threads of its BLAS spin on the cores that
# decode and encode (a quarter of the throughput on two cores).
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import contextlib
import sys
from collections.abc import AsyncIterator
from importlib.metadata import PackageNotFoundError, version

import uvicorn
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from pydantic import ValidationError

from brands.auth import Access
from brands.errors import RegistryError
from brands.ids import utc_now
from brands.routes import brand_routers
from index.errors import IndexRefused
from screener import logs
from screener.access import ROUTES, check_routes
from screener.admission import Admission
from screener.appraisals.routes import appraisal_router
from screener.discover_routes import discovery_router
from screener.drift.routes import drift_router
from screener.edge import Edge, install_error_handlers
from screener.errors import ScreenerError
from screener.evidence_routes import evidence_router
from screener.governance.routes import governance_router
from screener.ledger.routes import seller_router
from screener.monthly.routes import monthly_router
from screener.pages.errors import show_error
from screener.pages.router import page_routers
from screener.releases.routes import release_router
from screener.retention.routes import retention_routers
from screener.review.match_routes import match_router
from screener.review.pictures import Pictures
from screener.review.response_routes import response_router
from screener.review.routes import review_router
from screener.routes import screening_router, state_router
from screener.service import Service, open_service
from screener.settings import Settings, problems
from screener.signals.routes import signal_router
from screener.spot_checks.routes import spot_check_router
from screener.webhooks.routes import webhook_routers

DESCRIPTION = """
Screens marketplace listings for counterfeits.

* **Publish hooks** send a listing to `POST /v1/screenings` and show the seller what is in `prompt`.
* **Brands** register names, official pictures and known fakes under `/v1/brands`.
* **Errors** have one shape: `{"error": {"code", "message", "field", "request_id"}}`.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application, ready to judge: encoder and index are loaded before the first request.

    Raises
    ------
    ScreenerError, IndexRefused, RegistryError
        when something that is needed to start cannot be trusted or reached
    """
    settings = settings or Settings()
    service = open_service(settings)
    try:
        service.refresher.refresh()
    except BaseException:
        service.close()
        raise
    return application(service)


def application(service: Service) -> FastAPI:
    """The HTTP side of an opened service; closing the application closes the service."""
    settings, truth = service.truth.settings, service.truth
    closing = False

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal closing
        service.keep_fresh()
        yield
        closing = True
        service.close()

    app = FastAPIOffline(  # the pages of /docs come from here too, not from somebody's CDN
        title="Listing screener",
        version=_version(),
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url="/openapi.json",
    )
    access = Access(truth.keys, truth.sessions, ROUTES)
    install_error_handlers(app, show_error)
    # Judging waits for decoders and encoders; more threads than can be at work at once would only wait elsewhere.
    threads = settings.decode_workers + settings.encode_workers
    routers = (
        screening_router(
            service.screener,
            database=truth.database,
            access=access,
            settings=settings,
            metrics=service.metrics,
            threads=threads,
        ),
        evidence_router(Pictures(truth.database, truth.blobs, service.pool, utc_now), access),
        review_router(truth.database, truth.blobs, access, utc_now),
        response_router(
            database=truth.database,
            blobs=truth.blobs,
            access=access,
            admit=service.admit,
            most_images=settings.images,
            now=utc_now,
        ),
        appraisal_router(truth.database, access, utc_now),
        match_router(truth.registry, truth.blobs, access, utc_now),
        *brand_routers(truth.registry, access, service.doors),
        governance_router(service, access, utc_now),
        spot_check_router(truth.database, access, utc_now),
        discovery_router(truth.database, access, lambda: service.encoder.bundle, utc_now),
        drift_router(service.drift, access),
        monthly_router(truth.registry, truth.database, access, utc_now),
        *retention_routers(truth, access, utc_now),
        release_router(service, access),
        state_router(service.live, service.metrics, settings, lambda: closing),
        signal_router(truth.database, service.buyers, access, utc_now),
        seller_router(truth.database, truth.ledger, access),
        *webhook_routers(truth.database, truth.webhooks, access, utc_now),
        *page_routers(service, access),
    )
    check_routes([*app.routes, *(route for router in routers for route in router.routes)])
    for router in routers:
        app.include_router(router)
    app.add_middleware(
        Edge, settings=settings, metrics=service.metrics, admit=Admission(access, settings), show_error=show_error
    )
    return app


def _version() -> str:
    try:
        return version("listing-screener")
    except PackageNotFoundError:  # run from a checkout that was never installed
        return "0"


def main() -> int:
    """Serves until stopped; exit code 1 when the service cannot start, 2 for settings that make no sense."""
    try:
        settings = Settings()
    except ValidationError as error:
        print(*problems(error), sep="\n", file=sys.stderr)
        return 2
    logs.configure(settings.log_level, settings.log_format)
    try:
        app = create_app(settings)
    except (ScreenerError, IndexRefused, RegistryError, OSError, ValueError) as error:
        print(f"The service cannot start: {error}", file=sys.stderr)
        return 1
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        h11_max_incomplete_event_size=settings.header_bytes + settings.url_bytes + 1024,
        timeout_graceful_shutdown=10,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
