"""The pages of what a month brought: of the marketplace for those who run it, of its own listings for each brand."""

from fastapi import APIRouter, Depends, Request, Response

from brands.auth import Access, own
from brands.ids import Clock
from brands.model import Brand
from brands.sessions import Person
from screener.monthly.lines import write_csv
from screener.monthly.month import Month
from screener.monthly.report import Report, read_report
from screener.pages.rendering import brand_path, file, show
from screener.service import Service

PATH = "/app/report"


def report_pages(service: Service, access: Access, now: Clock) -> APIRouter:
    """The routes `/app/report`, `/app/brands/{brand_id}/report`, and the same as CSV files."""
    router = APIRouter(prefix="/app", include_in_schema=False)
    registry, database = service.truth.registry, service.truth.database

    @router.get("/report")
    def show_report(request: Request, month: str = "", person: Person = Depends(access.person)) -> Response:
        return _page(request, person, PATH, _read(month, None))

    @router.get("/report.csv")
    def download_report(month: str = "", person: Person = Depends(access.person)) -> Response:
        return _file(_read(month, None))

    @router.get("/brands/{brand_id}/report")
    def show_brands_report(
        request: Request, brand_id: str, month: str = "", person: Person = Depends(access.person)
    ) -> Response:
        brand = registry.get_brand(own(person.key, brand_id))
        return _page(request, person, brand_path(brand, "report"), _read(month, brand), brand)

    @router.get("/brands/{brand_id}/report.csv")
    def download_brands_report(brand_id: str, month: str = "", person: Person = Depends(access.person)) -> Response:
        return _file(_read(month, registry.get_brand(own(person.key, brand_id))))

    def _read(month: str, brand: Brand | None) -> Report:
        wanted = Month.named(month) if month else Month.of(now().date())
        with database.read() as conn:
            return read_report(conn, wanted, at=now(), brand_id=brand.id if brand else None)

    def _file(report: Report) -> Response:
        return file(write_csv(report), "text/csv; charset=utf-8", f"report-{report.month}.csv")

    def _page(request: Request, person: Person, path: str, report: Report, brand: Brand | None = None) -> Response:
        return show(
            request,
            "report.html",
            person=person,
            section="report",
            brand=brand,
            report=report,
            path=path,
            this_month=Month.of(now().date()),
            links=person.key.scope in ("reviewer", "admin"),
        )

    return router
