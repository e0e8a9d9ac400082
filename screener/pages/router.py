"""The pages of brand managers, reviewers and admins."""

from fastapi import APIRouter

from brands.auth import Access
from brands.ids import utc_now
from screener.pages.appraisals import appraisal_pages
from screener.pages.approvals import approval_pages
from screener.pages.brands import brand_pages
from screener.pages.details import details_router
from screener.pages.files import file_router
from screener.pages.home import home_pages
from screener.pages.keys import key_pages
from screener.pages.matches import match_pages
from screener.pages.models import model_pages
from screener.pages.references import reference_pages
from screener.pages.report import report_pages
from screener.pages.reviews import review_pages
from screener.pages.sellers import seller_pages
from screener.pages.sign_in import sign_in_router
from screener.pages.spot_checks import spot_check_pages
from screener.pages.upload import upload_router
from screener.review.pictures import Pictures
from screener.service import Service


def page_routers(service: Service, access: Access) -> tuple[APIRouter, ...]:
    """The routes under `/app/`; what they answer is for people, and no part of the API's description."""
    truth = service.truth
    registry, database, blobs = truth.registry, truth.database, truth.blobs
    return (
        sign_in_router(access, secure=truth.settings.secure_cookies),
        file_router(Pictures(database, blobs, service.pool, utc_now), access),
        brand_pages(registry, database, access, utc_now),
        home_pages(service, access, utc_now),
        details_router(registry, access),
        reference_pages(service, access, utc_now),
        upload_router(service, access),
        match_pages(service, access, utc_now),
        review_pages(database, blobs, access, utc_now),
        approval_pages(registry, database, service.doors, access, utc_now),
        key_pages(registry, access, utc_now),
        report_pages(service, access, utc_now),
        spot_check_pages(service, access, utc_now),
        appraisal_pages(service, access, utc_now),
        model_pages(service, access, utc_now),
        seller_pages(service, access, utc_now),
    )
