"""The HTTP route of drift."""

from fastapi import APIRouter, Depends

from brands.auth import Access
from brands.model import ApiKey
from screener.drift.figures import Figures
from screener.drift.payloads import DriftOut
from screener.drift.watch import DriftWatch
from screener.errors import Overloaded


def drift_router(watch: DriftWatch, access: Access) -> APIRouter:
    """The route `GET /v1/drift`."""
    router = APIRouter(prefix="/v1", tags=["reports"])

    @router.get("/drift", response_model=DriftOut)
    def read_drift(_key: ApiKey = Depends(access.caller)) -> Figures:
        """Shows how far the last days' listings lie from what the judge was made for, as it was computed last."""
        found = watch.latest()
        if found is None:
            raise Overloaded("Nothing is served yet.", code="not_ready")
        return found

    return router
