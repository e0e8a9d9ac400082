"""The pages of spot checks, appraisals, models, sellers and reports over HTTP: what they say, and what they do."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
from learning_kit import SELLER, Learned, learn
from release_kit import approved, make_candidate, make_report
from service_kit import ACTOR, Kit, running

from brands.model import Scope
from screener.appraisals.store import appraisals_of
from screener.pages.models import flat_figures
from screener.pages.texts import Texts
from screener.spot_checks.store import read_plan

SAYS = Texts("en")


@dataclass(frozen=True, slots=True)
class Site:
    """A service on which something has happened."""

    kit: Kit
    made: Learned
    folder: Path

    def sign_in(self, scope: Scope, brand_id: str | None = None) -> str:
        """Signs in as somebody new; the token of the forms."""
        self.kit.client.cookies.clear()
        key = self.kit.service.truth.keys.create(actor=ACTOR, scope=scope, brand_id=brand_id)[1]
        assert self.kit.client.post("/app/sign-in", data={"key": key}, follow_redirects=False).status_code == 303
        found = re.search(r'name="csrf" value="([^"]+)"', self.kit.client.get("/app/key").text)
        assert found
        return found[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("learning")
    with running(folder, rate_sign_in="1000/minute") as kit:
        yield Site(kit, learn(kit, folder), folder)


def test_everybody_comes_first_to_a_page_of_theirs_and_sees_their_sections(site: Site) -> None:
    sections = {
        "reviewer": {"reviews", "approvals", "spot-checks", "appraisals", "sellers", "report"},
        "ml": {"spot-checks", "appraisals", "models", "report"},
        "admin": {"brands", "reviews", "approvals", "spot-checks", "appraisals", "sellers", "models", "report", "keys"},
    }
    for scope, expected in sections.items():
        site.sign_in(scope)  # type: ignore[arg-type]  # the keys are scopes
        page = site.kit.client.get("/app/")
        nav = page.text.partition('<nav class="roles"')[2].partition("</nav>")[0]
        linked = re.findall(r'href="/app/([^"]+)"', nav)
        assert set(linked) == expected
        for path in linked:
            assert site.kit.client.get(f"/app/{path}").status_code == 200, (scope, path)


def test_a_plan_is_drawn_and_its_items_go_their_way(site: Site) -> None:
    token, client = site.sign_in("ml"), site.kit.client
    refused = client.post("/app/spot-checks", data={"csrf": token, "budget": "many", "category": "kept"})
    assert refused.status_code == 422 and "kept" in refused.text
    assert SAYS.error("invalid_number", "") in refused.text
    page = client.post("/app/spot-checks", data={"csrf": token, "budget": "3", "days": "30"})
    plan_id = page.url.path.rsplit("/", 1)[1]
    assert page.status_code == 200 and SAYS("done.planned") in page.text
    with site.kit.service.truth.database.read() as conn:
        first, second, _ = read_plan(conn, plan_id).picks
    move = f"/app/spot-check-items/{first.id}/state"
    client.post(move, data={"csrf": token, "state": "ordered", "orders": "12", "note": "<b>slow</b>"})
    after = client.get(f"/app/spot-checks/{plan_id}?state=ordered").text
    assert "&lt;b&gt;slow&lt;/b&gt;" in after and first.id in after and second.id not in after
    assert client.post(move, data={"csrf": token, "state": "appraised"}).status_code == 409
    assert client.post(move, data={"csrf": token, "state": "ordered", "orders": "-1"}).status_code == 422
    file = client.get(f"/app/spot-checks/{plan_id}/plan.csv")
    assert first.screening_id in file.text and "attachment" in file.headers["content-disposition"]
    table = client.get("/app/appraisals/table.csv")
    assert first.screening_id in table.text
    client.post(f"/app/spot-checks/{plan_id}/cancel", data={"csrf": token})
    with site.kit.service.truth.database.read() as conn:
        counts = read_plan(conn, plan_id).counts
    assert (counts["ordered"], counts["cancelled"]) == (1, 2)


def test_spot_checks_say_what_results_say(site: Site) -> None:
    site.sign_in("reviewer")
    page = site.kit.client.get("/app/spot-checks").text
    assert SAYS("report.rate") in page and SAYS("report.too_few") in page
    items = site.kit.client.get(f"/app/spot-checks/{site.made.plan_id}").text
    assert items.count('class="card pick"') == 40
    assert SAYS("strategies.random") in items
    behind = site.kit.client.get(f"/app/spot-checks/{site.made.plan_id}?behind=30").text
    assert behind.count('class="card pick"') == 10


def test_appraisals_come_in_by_form_and_file_whole_or_not_at_all(site: Site) -> None:
    token, client = site.sign_in("reviewer"), site.kit.client
    database = site.kit.service.truth.database
    with database.read() as conn:
        screening = read_plan(conn, site.made.plan_id).picks[35].screening_id
    path = f"/app/screenings/{screening}/appraisals"
    sent = {"csrf": token, "outcome": "authentic", "appraiser": "Ana", "method": "expert", "appraised_on": "2026-01-31"}
    wrong = client.post(path, data=sent | {"confidence": "very", "cost_amount": "5", "notes": "kept <i>words</i>"})
    assert wrong.status_code == 422
    assert "kept &lt;i&gt;words&lt;/i&gt;" in wrong.text and wrong.text.count("<li>") >= 2
    assert SAYS("appraisals.confidence") in wrong.text
    with database.read() as conn:
        assert appraisals_of(conn, [screening])[screening] == ()
    done = client.post(path, data=sent)
    assert done.status_code == 200 and SAYS("done.added_appraisal") in done.text
    again = client.post(path, data=sent)
    assert again.status_code == 422
    with database.read() as conn:
        (made,) = appraisals_of(conn, [screening])[screening]
    assert (made.outcome, made.appraiser) == ("authentic", "Ana")
    rows = f"screening_id,outcome,appraiser,method,appraised_on\n{screening},counterfeit,Bea,expert,2026-01-31\n"
    bad = rows + f"scr_{'0' * 32},fake,Bea,expert,yesterday\n"
    refused = client.post(
        "/app/appraisals/import", data={"csrf": token}, files={"table": ("a.csv", bad.encode(), "text/csv")}
    )
    assert refused.status_code == 422 and SAYS("appraisals.row", row=3) in refused.text
    taken = client.post(
        "/app/appraisals/import", data={"csrf": token}, files={"table": ("a.csv", rows.encode(), "text/csv")}
    )
    assert taken.status_code == 200 and SAYS("appraisals.imported", count=1) in taken.text
    assert screening in taken.text.partition(SAYS("appraisals.conflicts"))[2]
    for data in (b"", b"{", b"[1]", b"\xff\xfe\x00"):
        answer = client.post(
            "/app/appraisals/import", data={"csrf": token}, files={"table": ("x.json", data, "application/json")}
        )
        assert 400 <= answer.status_code < 500, data
    client.post(f"/app/appraisals/{made.id}/withdraw", data={"csrf": token, "reason": "mixed up"})
    page = client.get(f"/app/appraisals?screening_id={screening}").text
    assert SAYS("appraisals.withdrawn_because", reason="mixed up") in page
    assert client.get("/app/appraisals?screening_id=scr_nothing").status_code == 200


def test_markup_of_titles_and_appraisers_is_text(site: Site) -> None:
    site.sign_in("admin")
    page = site.kit.client.get(f"/app/appraisals?screening_id={site.made.conflict}").text
    assert "Expert &lt;b&gt;2&lt;/b&gt;" in page and "Expert <b>" not in page


def test_a_candidate_needs_a_second_person(site: Site) -> None:
    client, models = site.kit.client, site.kit.service.truth.models
    token = site.sign_in("ml")
    path = f"/app/models/{site.made.model_id}"
    page = client.get(path).text
    assert SAYS("gates.leakage") in page and SAYS("models.shadow") in page
    assert SAYS("models.newly_flagged") in page
    assert client.post(f"{path}/promote", data={"csrf": token, "reason": "now"}).status_code == 409
    client.post(f"{path}/shadow", data={"csrf": token, "percent": "12,5"})
    assert models.get(site.made.model_id).shadow_share == 0.125
    assert client.post(f"{path}/shadow", data={"csrf": token, "percent": "much"}).status_code == 422
    assert client.post(f"{path}/shadow", data={"csrf": token, "percent": "200"}).status_code == 422
    assert client.post(f"{path}/approve", data={"csrf": token}).status_code == 200
    assert models.get(site.made.model_id).state == "approved"
    assert client.post(f"{path}/refuse", data={"csrf": token, "reason": ""}).status_code == 422
    client.post(f"{path}/refuse", data={"csrf": token, "reason": "a slice is worse"})
    assert models.get(site.made.model_id).state == "refused"


def test_ones_own_candidate_cannot_be_approved(site: Site) -> None:
    """With the key that proposed it: the page says why there is no button, and the button's request is refused."""
    client, truth = site.kit.client, site.kit.service.truth
    token = site.sign_in("ml")
    key = max(truth.keys.list(limit=100), key=lambda one: one.created_at)
    candidate = make_candidate(site.folder / "own", encoder=False, bias=-4.0)
    report = make_report(candidate.models, truth.models.served())
    release = truth.models.propose(candidate.paths, report, actor=f"key:{key.id}")
    page = client.get(f"/app/models/{release.id}").text
    assert SAYS("models.own") in page and f'action="/app/models/{release.id}/approve"' not in page
    assert client.post(f"/app/models/{release.id}/approve", data={"csrf": token}).status_code == 403
    assert truth.models.get(release.id).state == "proposed"


def test_what_serves_changes_and_goes_back(site: Site) -> None:
    client, service = site.kit.client, site.kit.service
    token = site.sign_in("admin")
    before = service.refresher.opened.ids
    release = approved(site.kit, make_candidate(site.folder / "better", encoder=False, bias=-5.0))
    page = client.post(f"/app/models/{release.id}/promote", data={"csrf": token, "reason": "recall is higher"})
    assert page.status_code == 200 and SAYS("done.promoting") in page.text
    service.releases.wait()
    assert service.refresher.opened.ids == release.models
    listed = client.get("/app/models").text
    assert release.id in listed and "recall is higher" in listed and SAYS("models.roll_back") in listed
    client.post(f"/app/models/{release.id}/rollback", data={"csrf": token, "reason": "it prompts too much"})
    assert service.refresher.opened.ids == before


def test_a_sellers_record_is_shown_and_taken_back(site: Site) -> None:
    token, client, ledger = site.sign_in("reviewer"), site.kit.client, site.kit.service.truth.ledger
    everybody = client.get("/app/sellers").text
    assert f"seller_id={quote(SELLER, safe='/')}" in everybody and SAYS("burst_subjects.seller") in everybody
    path = f"/app/sellers?seller_id={quote(SELLER, safe='')}"
    page = client.get(path).text
    assert SAYS("sellers.severe") in page and "24 / 48" in page
    action = re.findall(r"/app/seller-actions/(sac_[0-9a-f]+)/state", page)[0]
    answer = client.post(f"/app/seller-actions/{action}/state", data={"csrf": token, "state": "executed"})
    assert answer.status_code == 200 and SAYS("action_states.executed") in answer.text
    assert client.post(f"/app/seller-actions/{action}/state", data={"csrf": token, "state": "x"}).status_code == 422
    event = re.findall(r"/app/seller-events/(sev_[0-9a-f]+)/appeal", page)[0]
    client.post(f"/app/seller-events/{event}/appeal", data={"csrf": token, "note": "the invoice was right"})
    assert ledger.standing(SELLER).points == 0
    assert SAYS("action_states.reversed") in client.get(path).text
    assert client.get("/app/sellers?seller_id=nobody").status_code == 200
    assert client.get("/app/sellers?seller_id=%00").status_code == 422


def test_reports_are_of_the_month_and_the_brand_that_is_asked_for(site: Site) -> None:
    client = site.kit.client
    site.sign_in("ml")
    page = client.get("/app/report")
    assert page.status_code == 200 and SAYS("report.running") in page.text and "Norvokka" in page.text
    assert client.get("/app/report?month=2020-02").status_code == 200
    assert client.get("/app/report?month=nonsense").status_code == 422
    assert client.get("/app/report.csv").text.splitlines()[0].endswith('"note"')
    assert client.get(f"/app/brands/{site.made.brand.id}/report").status_code == 403
    site.sign_in("brand", site.made.brand.id)
    own = client.get(f"/app/brands/{site.made.brand.id}/report").text
    assert SAYS("report.caught") in own and SAYS("report.costs") not in own and "watches" not in own
    other = site.kit.add_brand("Somebody else")
    for ending in ("", ".csv"):
        assert client.get(f"/app/brands/{other.id}/report{ending}").status_code == 404
    assert client.get("/app/report").status_code == 403


def test_figures_of_a_report_are_flattened() -> None:
    figures = {
        "a": {"b": 0.123456, "c": None},
        "curve": [[0, 1], [1, 1]],
        "bounds": [0.1, 0.25],
        "long": list(range(9)),
    }
    assert flat_figures(figures) == (
        ("a.b", "0.1235"), ("a.c", "–"), ("curve", "(2)"), ("bounds", "0.1, 0.25"), ("long", "0, 1, 2, 3, …"),
    )  # fmt: skip
    assert len(flat_figures({str(n): n for n in range(500)})) == 60
