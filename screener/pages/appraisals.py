"""The pages of appraisals: results that came in, one more by a form, many by a file, and where appraisers differ."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Request, Response, UploadFile

from brands.auth import Access
from brands.errors import RegistryError
from brands.ids import Clock
from brands.model import APPRAISAL_METHODS, APPRAISALS
from brands.sessions import Person
from screener import records
from screener.appraisals import imports
from screener.appraisals.cells import read_cells
from screener.appraisals.checking import Findings, Placed, last_day
from screener.appraisals.csv_file import write_csv
from screener.appraisals.labels import list_conflicts
from screener.appraisals.model import AppraisalsRefused, Imported, Place, Problem
from screener.appraisals.picked import INFO, brand_choices, picked_items, table_row
from screener.appraisals.store import add_placed, withdraw
from screener.errors import ScreenerError
from screener.pages import rows
from screener.pages.rendering import file, go, show
from screener.service import Service

_PAGE: Final = 50
_CONFLICTS: Final = 20


@dataclass(frozen=True, slots=True)
class _Typed:
    """What stands in the form, named like the columns of the table."""

    outcome: Annotated[str, Form()] = ""
    brand: Annotated[str, Form()] = ""
    appraiser: Annotated[str, Form()] = ""
    method: Annotated[str, Form()] = ""
    appraised_on: Annotated[str, Form()] = ""
    bought_on: Annotated[str, Form()] = ""
    confidence: Annotated[str, Form()] = ""
    cost_amount: Annotated[str, Form()] = ""
    cost_currency: Annotated[str, Form()] = ""
    evidence_hash: Annotated[str, Form()] = ""
    evidence_uri: Annotated[str, Form()] = ""
    notes: Annotated[str, Form()] = ""


def appraisal_pages(service: Service, access: Access, now: Clock) -> APIRouter:
    """The routes under `/app/appraisals`, and `/app/screenings/{screening_id}/appraisals`."""
    router = APIRouter(prefix="/app", include_in_schema=False)
    registry, database = service.truth.registry, service.truth.database

    @router.get("/appraisals")
    def list_all(
        request: Request,
        screening_id: str = "",
        outcome: str = "",
        after: str = "",
        person: Person = Depends(access.person),
    ) -> Response:
        return _page(request, person, screening_id=screening_id.strip(), outcome=outcome, after=after)

    @router.post("/screenings/{screening_id}/appraisals")
    def add_one(
        request: Request,
        screening_id: str,
        typed: Annotated[_Typed, Depends()],
        person: Person = Depends(access.person),
    ) -> Response:
        at, findings, place = now(), Findings(), Place(1, "appraisal")
        with database.read() as conn:
            records.fetch(conn, screening_id)
        new = read_cells(findings, place, {**asdict(typed), "screening_id": screening_id}, today=last_day(at))
        try:
            with database.write() as conn:
                add_placed(conn, [Placed(place, new)], actor=person.actor, now=at, source="api",
                           problems=findings.problems)  # fmt: skip
        except AppraisalsRefused as error:
            return _page(
                request, person, screening_id=screening_id, typed=typed, problems=error.problems, total=error.total
            )
        return go(f"/app/appraisals?screening_id={screening_id}&done=added_appraisal")

    @router.post("/appraisals/import")
    def import_file(
        request: Request, table: UploadFile | None = None, person: Person = Depends(access.person)
    ) -> Response:
        """CSV, or what Label Studio exports as JSON, told apart by the first letter that is not blank."""
        data = table.file.read() if table is not None else b""
        try:
            read = imports.import_label_studio if data.lstrip()[:1] in (b"[", b"{") else imports.import_csv
            done = read(database, data, actor=person.actor, now=now())
        except AppraisalsRefused as error:
            return _page(request, person, problems=error.problems, total=error.total, of_file=True)
        except (RegistryError, ScreenerError) as error:  # of the file as a whole: what is told of rows says it better
            whole = Problem(Place(1, ""), error.field or "", "", error.message)
            return _page(request, person, problems=[whole], total=1, status=error.status)
        return _page(request, person, imported=done)

    @router.post("/appraisals/{appraisal_id}/withdraw")
    def take_back(
        appraisal_id: str, reason: Annotated[str, Form()] = "", person: Person = Depends(access.person)
    ) -> Response:
        with database.write() as conn:
            after = withdraw(conn, appraisal_id, reason=reason, actor=person.actor, now=now())
        return go(f"/app/appraisals?screening_id={after.screening_id}&done=withdrawn_appraisal")

    @router.get("/appraisals/table.csv")
    def download_table(person: Person = Depends(access.person)) -> Response:
        """A line for each item of an open spot check, for people to fill in."""
        with database.read() as conn:
            lines = [table_row(item) for item in picked_items(conn)]
        return file("".join(write_csv(lines, INFO)).encode(), "text/csv; charset=utf-8", "appraisals.csv")

    def _page(
        request: Request,
        person: Person,
        *,
        screening_id: str = "",
        outcome: str = "",
        after: str = "",
        typed: _Typed | None = None,
        problems: Sequence[Problem] = (),
        total: int = 0,
        of_file: bool = False,
        imported: Imported | None = None,
        status: int = 422,
    ) -> Response:
        listing: Mapping[str, Any] | None = None
        unknown = False
        with database.read() as conn:
            if screening_id:
                try:
                    listing = records.fetch(conn, screening_id)
                except ScreenerError:
                    unknown = True
            found = () if unknown else rows.newest_appraisals(
                conn,
                screening_id=screening_id or None,
                outcome=outcome if outcome in APPRAISALS else None,
                before=after or None,
                limit=_PAGE + 1,
            )  # fmt: skip
            conflicts = list_conflicts(conn, limit=_CONFLICTS)
            choices = brand_choices(conn)
        return show(
            request,
            "appraisals.html",
            person=person,
            status=status if problems else 200,
            section="appraisals",
            appraisals=found[:_PAGE],
            more=found[_PAGE - 1].id if len(found) > _PAGE else None,
            conflicts=conflicts,
            names={brand.id: brand.name for brand in registry.list_brands()},
            choices=choices,
            screening_id=screening_id,
            listing=listing,
            unknown=unknown,
            outcome=outcome,
            outcomes=APPRAISALS,
            methods=APPRAISAL_METHODS,
            typed=typed or _Typed(appraised_on=now().date().isoformat()),
            problems=problems,
            total=total,
            of_file=of_file,
            imported=imported,
        )

    return router
