"""The same pages in a real browser: axe's rules on all of them, and a batch of checks from the plan to the result."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from learning_kit import SELLER, Learned, learn
from service_kit import ACTOR, Kit, open_tiny_service
from test_pages_browser import LOOKS, Site, browser, check_axe, pytestmark, visit

import serve

__all__ = ["browser", "pytestmark"]


@dataclass(frozen=True, slots=True)
class Told:
    """A service on loopback on which something has happened."""

    site: Site
    made: Learned


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("learning-site")
    service = open_tiny_service(folder, rate_sign_in="1000/minute")
    scopes = ("hook", "admin", "reviewer", "ml")
    tokens = {scope: service.truth.keys.create(actor=ACTOR, scope=scope)[1] for scope in scopes}
    hook, admin = ({"Authorization": f"Bearer {tokens[scope]}"} for scope in ("hook", "admin"))
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(serve.application(service), log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with httpx.Client(base_url=url, timeout=60) as client:
                kit = Kit(service, client, hook, admin)
                made = learn(kit, folder)
                brand_key = service.truth.keys.create(actor=ACTOR, scope="brand", brand_id=made.brand.id)[1]
                yield Told(Site(kit, url, made.brand.id, tokens | {"brand": brand_key}), made)
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_follows_the_rules(browser: Any, told: Told, look: str) -> None:
    made = told.made
    paths = {
        "admin": ["/app/report", "/app/spot-checks", f"/app/spot-checks/{made.plan_id}?behind=30", "/app/appraisals",
                  f"/app/appraisals?screening_id={made.conflict}", "/app/models", f"/app/models/{made.model_id}",
                  "/app/sellers", f"/app/sellers?seller_id={SELLER.replace('&', '%26')}"],
        "ml": ["/app/models", f"/app/spot-checks/{made.plan_id}?behind=35"],
        "brand": [f"/app/brands/{made.brand.id}/report"],
    }  # fmt: skip
    for scope, places in paths.items():
        with visit(browser, told.site, scope, **LOOKS[look]) as page:
            for path in places:
                assert page.goto(path).status == 200, path
                page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
                check_axe(page)
                assert page.title() != "taken"


def test_checks_are_planned_ordered_and_their_results_entered_without_a_script(browser: Any, told: Told) -> None:
    with visit(browser, told.site, "ml", java_script_enabled=False) as page:
        page.get_by_role("link", name="Spot checks").click()
        page.get_by_label("Items to buy").fill("2")
        page.get_by_role("button", name="Draw the items").click()
        page.get_by_text("Planned. The most useful items come first.").wait_for()
        item = page.locator(".pick").first
        item.get_by_text("Ordered, or not to be had?").click()
        item.get_by_label("Orders of the listing").fill("7")
        item.get_by_role("button", name="It is ordered").click()
        page.get_by_text("Saved.").wait_for()
        assert page.locator(".pick").first.get_by_text("Ordered", exact=True).is_visible()
        page.locator(".pick").first.get_by_role("link", name="Enter an appraisal").click()
        page.get_by_role("radio", name="Counterfeit").check()
        page.get_by_label("Appraiser").last.fill("Lab Süd")
        page.get_by_role("button", name="Store the appraisal").click()
        page.get_by_text("The appraisal is stored.").wait_for()
        assert page.get_by_text("Lab Süd").is_visible()


def test_the_keyboard_reaches_every_section(browser: Any, told: Told) -> None:
    with visit(browser, told.site, "admin", viewport={"width": 390, "height": 800}) as page:
        page.goto("/app/report")
        reached = []
        for _ in range(20):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.getAttribute('href')"))
        for path in ("/app/spot-checks", "/app/appraisals", "/app/sellers", "/app/models", "/app/report"):
            assert path in reached
        shown = "(() => { const r = document.querySelector('.roles [aria-current]').getBoundingClientRect();"
        page.locator(".roles [aria-current]").focus()
        assert page.evaluate(shown + " return r.left >= 0 && r.right <= innerWidth; })()")
