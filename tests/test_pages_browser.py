"""The pages in a real browser: what brand managers, reviewers and admins do, by mouse and keyboard, and axe's rules."""

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from service_kit import ACTOR, Kit, encoded, open_tiny_service, picture

import serve

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is on this machine; apt-get install chromium")

LOOKS = {
    "desktop-light-en": {"viewport": {"width": 1200, "height": 800}, "color_scheme": "light", "locale": "en-GB"},
    "phone-dark-zh": {"viewport": {"width": 390, "height": 800}, "color_scheme": "dark", "locale": "zh-CN"},
}


@dataclass(frozen=True, slots=True)
class Site:
    """A service on loopback with one brand, and a key for everybody."""

    kit: Kit
    url: str
    brand: str
    keys: dict[str, str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    service = open_tiny_service(tmp_path_factory.mktemp("site"), rate_sign_in="1000/minute")
    tokens = {scope: service.truth.keys.create(actor=ACTOR, scope=scope)[1] for scope in ("hook", "admin", "reviewer")}
    hook, admin = ({"Authorization": f"Bearer {tokens[scope]}"} for scope in ("hook", "admin"))
    with closing(socket.create_server(("127.0.0.1", 0), backlog=64)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(serve.application(service), log_config=None, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()  # the listener holds what comes before the server is ready
        try:
            with httpx.Client(base_url=url, timeout=60) as client:
                kit = Kit(service, client, hook, admin)
                brand = kit.add_brand("Norvokka", price="120", aliases=("诺沃卡",), categories=("bags",))
                for seed, kind in enumerate(("authentic", "logo", "known_fake", "negative")):
                    kit.add_reference(brand, kind, picture(seed))
                kit.refresh()
                for seed in range(4):
                    screened = kit.screen(
                        [encoded(picture(seed % 3)), encoded(picture(seed + 100))],
                        listing_id=f"L-{seed}",
                        title=f"Norvokka bag {seed} 高仿 <script>document.title = 'taken'</script>",
                        brand="Norvokka",
                        seller={"id": f"shop-{seed}"},
                    )
                    assert screened.json()["verdict"] in ("prompt", "review")
                answered = client.post(
                    f"/v1/screenings/{screened.json()['id']}/responses",
                    headers=hook,
                    data={"kind": "proof", "text": "Here is my receipt."},
                    files={"image": ("receipt.png", encoded(picture(200)))},
                )
                assert answered.status_code == 201
                brand_key = service.truth.keys.create(actor=ACTOR, scope="brand", brand_id=brand.id)[1]
                yield Site(kit, url, brand.id, tokens | {"brand": brand_key})
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        started.close()


@contextmanager
def visit(browser: Any, site: Site, scope: str | None, **options: Any) -> Iterator[Any]:
    """A page of somebody who is signed in; nothing may go wrong in it, and nothing may be fetched from elsewhere."""
    context = browser.new_context(base_url=site.url, **({"locale": "en-GB"} | options))
    context.set_default_timeout(15_000)
    faults: list[str] = []
    context.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    context.on("weberror", lambda error: faults.append(str(error.error)))
    context.on(
        "request",
        lambda request: None if request.url.startswith((site.url, "data:", "blob:")) else faults.append(request.url),
    )
    page = context.new_page()
    if scope is not None:
        sign_in(page, site.keys[scope])
    yield page
    context.close()
    assert not faults


def sign_in(page: Any, key: str) -> None:
    page.goto("/app/sign-in")
    page.locator("#key").fill(key)
    page.locator("#key").press("Enter")
    page.wait_for_url(lambda url: not url.endswith("/sign-in"))


def check_axe(page: Any) -> None:
    """No rule of axe is broken, and nothing is wider than the screen."""
    sync_api.expect(page.locator(".htmx-request")).to_have_count(0)  # parts that come after the page
    found = axe.Axe().run(page).response["violations"]
    assert [(rule["id"], [node["target"] for node in rule["nodes"]]) for rule in found] == [], page.url
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), page.url


def files(*seeds: int) -> list[dict[str, Any]]:
    return [{"name": f"{seed}.png", "mimeType": "image/png", "buffer": encoded(picture(seed))} for seed in seeds]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("scope", ["brand", "reviewer", "admin"])
def test_every_page_follows_the_rules(browser: Any, site: Site, scope: str, look: str) -> None:
    case = site.kit.client.get("/v1/reviews", headers=site.kit.admin).json()["items"][0]["screening_id"]
    reference = site.kit.service.truth.registry.list_references(brand_id=site.brand)[0].id
    home = f"/app/brands/{site.brand}"
    paths = {
        "brand": [home, f"{home}/matches", f"{home}/matches/{case}", f"{home}/references", f"{home}/known-fakes",
                  f"{home}/details", f"{home}/upload", f"/app/references/{reference}", ],
        "reviewer": ["/app/reviews", f"/app/reviews/{case}", "/app/approvals", home],
        "admin": ["/app/brands", "/app/keys", f"{home}/details"],
    }  # fmt: skip
    with visit(browser, site, None, **LOOKS[look]) as page:
        page.goto("/app/sign-in")
        check_axe(page)
    with visit(browser, site, scope, **LOOKS[look]) as page:
        assert page.locator("html").get_attribute("lang") == look[-2:]
        for path in paths[scope]:
            page.goto(path)
            check_axe(page)
            assert page.title() != "taken"


def test_wrong_key_is_told(browser: Any, site: Site) -> None:
    with visit(browser, site, None, java_script_enabled=False) as page:
        page.goto("/app/")
        assert page.url.endswith("/app/sign-in")


def test_brand_manager_enters_details(browser: Any, site: Site) -> None:
    with visit(browser, site, "brand") as page:
        page.get_by_role("link", name="Details").click()
        page.get_by_label("Other names").fill("诺沃卡\nНорвокка")
        page.get_by_label("Usual price", exact=True).fill("99.90")
        page.get_by_role("button", name="Save").click()
        assert page.get_by_role("status").inner_text() == "Saved."
        page.get_by_label("Seller's id").fill("=shop")
        page.get_by_role("button", name="Add seller").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download as CSV").click()
        text = Path(download.value.path()).read_text(encoding="utf-8-sig")
        assert "'=shop" in text
        page.get_by_role("button", name="Remove =shop").click()
        page.get_by_text("No authorised seller yet.").wait_for()
        page.get_by_text("Replace the list by a file").click()
        page.get_by_label("CSV file").set_input_files(
            [{"name": "a.csv", "mimeType": "text/csv", "buffer": text.encode()}]
        )
        page.get_by_role("button", name="Replace the list").click()
        page.get_by_role("cell", name="=shop", exact=True).wait_for()
        brand = site.kit.service.truth.registry.get_brand(site.brand)
        assert brand.aliases == ("诺沃卡", "Норвокка")
        assert [seller.seller_id for seller in brand.authorised_sellers] == ["=shop"]


def test_pictures_are_dropped_looked_at_and_added(browser: Any, site: Site) -> None:
    with visit(browser, site, "brand") as page:
        page.get_by_role("link", name="Add pictures").click()
        dropped = [list(file["buffer"]) for file in files(31, 32)]
        page.evaluate(
            """pictures => {
                const data = new DataTransfer();
                for (const bytes of pictures)
                    data.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
                const event = new DragEvent("drop", { dataTransfer: data, bubbles: true });
                document.querySelector(".drop").dispatchEvent(event);
            }""",
            dropped,
        )
        page.get_by_label("Choose pictures").set_input_files(
            [*files(33), {"name": "no.png", "mimeType": "image/png", "buffer": b"no picture"}]
        )
        page.get_by_text("Only JPEG, PNG, WebP and GIF pictures.").wait_for()
        page.get_by_role("button", name="Add the ticked pictures (3)").wait_for()
        assert not site.kit.service.truth.registry.list_references(brand_id=site.brand, state="pending")
        check_axe(page)
        page.get_by_role("button", name="Add the ticked pictures (3)").click()
        page.get_by_text("Added: 3.").wait_for()
        page.get_by_role("link", name="See the references").click()
        page.get_by_label("State").select_option("pending")
        page.get_by_text("3 references").wait_for()
        assert page.url.endswith("state=pending")
    with visit(browser, site, "reviewer") as page:
        page.goto("/app/approvals")
        page.get_by_role("button", name="Approve").first.click()
        page.get_by_text("Approved.").wait_for()
    assert len(site.kit.service.truth.registry.list_references(brand_id=site.brand, state="pending")) == 2


def test_pages_work_without_script(browser: Any, site: Site) -> None:
    with visit(browser, site, "brand", java_script_enabled=False) as page:
        page.goto(f"/app/brands/{site.brand}/upload")
        page.get_by_label("Known fake").check()
        page.get_by_label("Evidence").fill("complaint 4711")
        page.get_by_label("Choose pictures").set_input_files(files(41, 42))
        page.get_by_role("button", name="Only check").click()
        assert page.get_by_role("region", name="Results").get_by_role("listitem").count() >= 2
        page.get_by_label("Choose pictures").set_input_files(files(41, 42))
        page.get_by_role("button", name="Check and add").click()
        page.get_by_role("region", name="Results").get_by_role("link", name="Added").first.click()
        assert page.get_by_text("complaint 4711").is_visible()
        page.goto(f"/app/brands/{site.brand}/matches")
        page.get_by_label("Verdict").select_option("clear")
        page.get_by_role("button", name="Show", exact=True).click()
        page.get_by_text("No match here.").wait_for()


def test_reviewer_decides_with_keys(browser: Any, site: Site) -> None:
    with visit(browser, site, "reviewer") as page, visit(browser, site, "admin") as other:
        page.goto("/app/reviews")
        page.keyboard.press("j")
        page.get_by_role("heading", name="Your decision").wait_for()
        first = page.url.split("?")[0]
        other.goto("/app/reviews")
        other.keyboard.press("j")
        other.get_by_role("heading", name="Your decision").wait_for()
        assert other.url.split("?")[0] != first
        page.keyboard.press("?")
        page.get_by_role("dialog").wait_for()
        check_axe(page)
        page.keyboard.press("Escape")
        page.get_by_label("Notes").fill("c")  # typing decides nothing
        assert page.url.split("?")[0] == first
        page.get_by_role("heading", name="Your decision").click()
        page.locator("body").press("c")
        page.get_by_text("Decided. Here is the next one.").wait_for()
        assert page.url.split("?")[0] not in (first, other.url.split("?")[0])
        page.locator("body").press("k")
        page.wait_for_url(lambda url: url.split("?")[0] == first)
        assert page.get_by_text("Counterfeit").first.is_visible()
        other.locator("body").press("n")
        other.get_by_text("Decided. Here is the next one.").wait_for()


def test_admin_makes_a_brand_and_a_key_for_it(browser: Any, site: Site) -> None:
    with visit(browser, site, "admin") as page:
        page.get_by_label("Name").fill("Velmora")
        page.get_by_role("button", name="Add a brand").click()
        page.get_by_text("Saved.").wait_for()
        page.get_by_role("link", name="Keys").click()
        page.get_by_label("Brand", exact=False).last.select_option(label="Velmora")
        page.get_by_label("Label").fill("for <b>them</b>")
        page.get_by_role("button", name="Create a key").click()
        key = page.locator(".secret").inner_text()
        check_axe(page)
    with visit(browser, site, None) as page:
        sign_in(page, key)
        page.get_by_role("heading", name="Velmora").wait_for()
        page.get_by_text("Three steps to begin").wait_for()
        answer = page.request.get(f"/app/brands/{site.brand}")
        assert answer.status == 404
        page.get_by_role("button", name="Sign out").click()
        page.get_by_text("You are signed out.").wait_for()
