"""The page that takes many pictures: looks at what each would do before anything is stored, then stores them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, File, Form, Request, Response, UploadFile

from brands import approvals
from brands.approvals import Decider
from brands.auth import Access, own
from brands.errors import RegistryError
from brands.model import REFERENCE_KINDS, Brand, NewReference, Origin, Reference, ReferenceKind
from brands.sessions import Person
from screener.errors import ScreenerError
from screener.governance.views import shown_impact
from screener.pages.impacts import Seen, inline, jpeg, seen_of
from screener.pages.keys import end_of_day
from screener.pages.rendering import part_only, show
from screener.service import Service

PROOFS: Final[tuple[Origin, ...]] = ("complaint", "appraisal", "file")
"""Where a known fake may be from."""
MOST: Final = 200
"""Pictures in one form; a script sends them in batches, and there is no limit."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a picture was not taken."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one picture: not taken, looked at, or stored, with the codes of what holds it back.

    `picture` shows it where no script does.
    """

    fault: Fault | None = None
    looked: Seen | None = None
    reference: Reference | None = None
    blocking: tuple[str, ...] = ()
    picture: str | None = None


@dataclass(frozen=True, slots=True)
class _Typed:
    """What is said of all pictures of a form."""

    kind: Annotated[ReferenceKind, Form()] = "authentic"
    source: Annotated[str, Form()] = ""
    notes: Annotated[str, Form()] = ""
    origin: Annotated[Origin, Form()] = "complaint"
    evidence: Annotated[str, Form()] = ""
    expires: Annotated[str, Form()] = ""


def upload_router(service: Service, access: Access) -> APIRouter:
    """The routes `/app/brands/{brand_id}/upload` and `.../upload/check`."""
    router = APIRouter(prefix="/app/brands/{brand_id}", include_in_schema=False)
    registry = service.truth.registry

    @router.get("/upload")
    def show_upload(
        request: Request, brand_id: str, kind: ReferenceKind = "authentic", person: Person = Depends(access.person)
    ) -> Response:
        return _page(request, person, registry.get_brand(own(person.key, brand_id)), _Typed(kind), ())

    @router.post("/upload/check")
    def check_pictures(
        request: Request,
        brand_id: str,
        image: Annotated[list[UploadFile], File()],
        typed: Annotated[_Typed, Depends()],
        person: Person = Depends(access.person),
    ) -> Response:
        brand = registry.get_brand(own(person.key, brand_id))
        results = _each(image, lambda data: _check(person, brand, typed, data))
        return _answer(request, person, brand, typed, results)

    @router.post("/upload")
    def add_pictures(
        request: Request,
        brand_id: str,
        image: Annotated[list[UploadFile], File()],
        typed: Annotated[_Typed, Depends()],
        person: Person = Depends(access.person),
    ) -> Response:
        brand = registry.get_brand(own(person.key, brand_id))
        results = _each(image, lambda data: _add(person, brand, typed, data))
        return _answer(request, person, brand, typed, results)

    def _check(person: Person, brand: Brand, typed: _Typed, data: bytes) -> Result:
        found = service.doors.preview(brand.id, typed.kind, data)
        shown = seen_of(shown_impact(found, person.key.scope, service.truth.blobs, service.pool))
        return Result(looked=shown, picture=inline(jpeg(service.pool, data)))

    def _add(person: Person, brand: Brand, typed: _Typed, data: bytes) -> Result:
        new = NewReference(
            kind=typed.kind,
            image_sha256="",
            width=0,
            height=0,
            source=typed.source,
            notes=typed.notes,
            origin=typed.origin if typed.kind == "known_fake" else "upload",
            evidence=typed.evidence,
            expires_at=end_of_day(typed.expires),
        )
        added = service.doors.add(Decider.of(person.key), brand.id, new, data)
        with service.truth.database.read() as conn:
            checked = approvals.impact_of(conn, added.id)
        return Result(reference=added, blocking=tuple(checked.impact["blocking"]) if checked else ())

    def _answer(request: Request, person: Person, brand: Brand, typed: _Typed, results: Sequence[Result]) -> Response:
        if part_only(request):
            return show(request, "upload_results.html", person=person, results=results, part=True)
        return _page(request, person, brand, typed, results)

    def _page(request: Request, person: Person, brand: Brand, typed: _Typed, results: Sequence[Result]) -> Response:
        return show(
            request,
            "upload.html",
            person=person,
            section="references",
            brand=brand,
            kind=typed.kind,
            kinds=REFERENCE_KINDS,
            origins=PROOFS,
            typed=typed,
            results=results,
            part=False,
            mib=service.truth.settings.body_bytes // 2**20,
            bytes=service.truth.settings.body_bytes * 3 // 4,
        )

    return router


def _each(images: Sequence[UploadFile], work: Callable[[bytes], Result]) -> list[Result]:
    """What `work` gives for each picture, or why it was not taken; one at fault does not stop the others."""
    results = []
    for image in images[:MOST]:
        try:
            results.append(work(image.file.read()))
        except (RegistryError, ScreenerError) as error:
            results.append(Result(Fault(error.code, error.message)))
    return results
