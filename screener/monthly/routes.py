"""The HTTP route of the monthly report."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from brands.auth import Access, own
from brands.database import Database
from brands.ids import Clock
from brands.model import ApiKey
from brands.registry import Registry
from screener.monthly.month import Month
from screener.monthly.payloads import ReportOut
from screener.monthly.report import Report, read_report


def monthly_router(registry: Registry, database: Database, access: Access, now: Clock) -> APIRouter:
    """The route `GET /v1/reports/monthly`."""
    router = APIRouter(prefix="/v1/reports", tags=["reports"])

    @router.get("/monthly", response_model=ReportOut)
    def monthly_report(
        month: Annotated[str | None, Query(description="YYYY-MM; default: the present one.")] = None,
        brand_id: Annotated[str | None, Query(description="Of one brand; a brand's key gets its own anyway.")] = None,
        key: ApiKey = Depends(access.caller),
    ) -> Report:
        """Shows what a month brought: of the whole marketplace, or of one brand."""
        wanted = Month.named(month) if month is not None else Month.of(now().date())
        brand = key.brand_id if brand_id is None else own(key, brand_id)
        if brand is not None:
            registry.get_brand(brand)
        with database.read() as conn:
            return read_report(conn, wanted, at=now(), brand_id=brand)

    return router
