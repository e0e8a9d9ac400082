"""Commands about spot checks: which items to buy and have examined, and what the results say of all listings."""

from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from screener.cli_open import DataDir, actor, open_truth
from screener.cli_output import AsJson, Failure, print_json, print_table

if TYPE_CHECKING:
    from screener.spot_checks.model import Pick, Plan, Shares

app = typer.Typer(help="Items to buy and have examined, and what they say of all listings.", no_args_is_help=True)

PlanId = Annotated[str, typer.Argument(metavar="PLAN_ID", help="See `spot-checks list`.")]
SpotCheckId = Annotated[str, typer.Argument(metavar="SPOT_CHECK_ID", help="See `spot-checks show`.")]
Brand = Annotated[str | None, typer.Option(metavar="BRAND_ID", help="Of this recognised brand only.")]
Category = Annotated[str | None, typer.Option(help="Of this category only.")]
Note = Annotated[str, typer.Option(help="Why.")]


@app.command("plan")
def make_plan(
    budget: Annotated[int, typer.Option(min=1, help="How many items.")],
    days: Annotated[
        float, typer.Option(min=0.001, max=366, help="Of the listings screened last in so many days.")
    ] = 30,
    brand: Brand = None,
    category: Category = None,
    share: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STRATEGY=SHARE",
            help="Of random, fakes, uncertain, diverse, value, complaints; those not given are 0, and all add up to 1.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Draws the same again; else one is drawn.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Draw items to buy: likely counterfeits among them, and at random with known chances.

    Without --share: random 0.25, fakes 0.35, uncertain 0.15, diverse 0.1, value 0.1, complaints 0.05.
    """
    from datetime import timedelta

    from brands.ids import utc_now
    from screener.spot_checks.model import Filters
    from screener.spot_checks.plan import plan

    with open_truth(data_dir) as truth:
        made = plan(
            truth.database,
            budget=budget,
            seed=seed,
            window=timedelta(days=days),
            filters=Filters(brand, category),
            shares=_shares(share),
            actor=actor(),
            now=utc_now(),
        )
    _print_plan(made, as_json)


@app.command("list")
def list_all(
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 50,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List the plans, the latest first."""
    from screener.spot_checks.payloads import PlanOut, shown
    from screener.spot_checks.store import list_plans

    with open_truth(data_dir) as truth, truth.database.read() as conn:
        found = list_plans(conn, limit=limit)
    if as_json:
        print_json([PlanOut.model_validate(shown(own)).model_dump(mode="json") for own in found])
        return
    print_table(
        ["plan", "made", "budget", "of listings", "planned", "ordered", "appraised", "cancelled"],
        [(own.id, _minute(own.created_at), own.budget, own.population, *own.counts.values()) for own in found],
        right=["budget", "of listings", "planned", "ordered", "appraised", "cancelled"],
    )


@app.command()
def show(plan_id: PlanId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show a plan with its items, and why each was picked."""
    from screener.spot_checks.store import read_plan

    with open_truth(data_dir) as truth, truth.database.read() as conn:
        found = read_plan(conn, plan_id)
    _print_plan(found, as_json)


@app.command()
def export(
    plan_id: PlanId,
    out: Annotated[Path, typer.Option(dir_okay=False, help="The file to write; it must not be there yet.")],
    data_dir: DataDir = None,
) -> None:
    """Write a plan for whoever buys: .csv for spreadsheets, .json for machines."""
    import json

    from brands.ids import utc_now
    from screener.spot_checks.export import write_plan
    from screener.spot_checks.payloads import WholePlanOut, shown
    from screener.spot_checks.store import read_plan

    if out.suffix not in (".csv", ".json"):
        raise Failure("The file must end in .csv or .json.", exit_code=2)
    with open_truth(data_dir) as truth:
        lines = write_plan(truth.database, plan_id, actor=actor(), now=utc_now())
        if out.suffix == ".json":
            with truth.database.read() as conn:
                found = WholePlanOut.model_validate(shown(read_plan(conn, plan_id))).model_dump(mode="json")
            lines = iter([json.dumps(found, ensure_ascii=False, indent=1), "\n"])
        with out.open("x", encoding="utf-8", newline="") as file:
            file.writelines(lines)
    typer.echo(f"{out} is written.")


@app.command()
def order(
    spot_check_id: SpotCheckId,
    orders: Annotated[int | None, typer.Option(min=0, help="How many orders the listing had.")] = None,
    note: Annotated[str | None, typer.Option(help="What is worth noting.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Note that an item is ordered."""
    _move(spot_check_id, "ordered", data_dir, note=note, orders=orders)


@app.command()
def cancel(
    object_id: Annotated[str, typer.Argument(metavar="ID", help="A spot check, or a whole plan.")],
    note: Note = "",
    data_dir: DataDir = None,
) -> None:
    """Cancel an item that cannot be bought, or a plan with all that is not ordered yet."""
    from brands.ids import utc_now
    from screener.spot_checks.store import cancel_plan

    if not object_id.startswith("pln_"):
        _move(object_id, "cancelled", data_dir, note=note)
        return
    with open_truth(data_dir) as truth, truth.database.write() as conn:
        found = cancel_plan(conn, object_id, note=note, actor=actor(), at=utc_now())
    typer.echo(f"{object_id} is cancelled; {found.counts['ordered']} items are ordered and go on.")


@app.command("estimate")
def show_estimates(
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Plans made on this day or later; 90 days ago.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Plans made before this day; now.")
    ] = None,
    brand: Brand = None,
    category: Category = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Estimate the rates of counterfeits, and precision and recall of the screener, with 95 % intervals."""
    from datetime import timedelta

    from brands.ids import utc_now
    from screener.spot_checks.model import Filters
    from screener.spot_checks.payloads import ESTIMATE_DAYS, EstimatesOut, estimates_of

    end = until.replace(tzinfo=UTC) if until else utc_now() + timedelta(microseconds=1)
    start = since.replace(tzinfo=UTC) if since else end - timedelta(days=ESTIMATE_DAYS)
    with open_truth(data_dir) as truth:
        found = EstimatesOut.model_validate(estimates_of(truth.database, start, end, Filters(brand, category)))
    if as_json:
        print_json(found.model_dump(mode="json"))
        return
    named = [
        ("counterfeits among listings", found.listings),
        ("counterfeits among orders", found.orders),
        ("counterfeits by value", found.value),
        ("precision of prompts", found.precision),
        ("recall of prompts", found.recall),
        *((f"category {name or '(none)'}", own) for name, own in found.categories.items()),
        *((f"brand {name or '(none)'}", own) for name, own in found.brands.items()),
    ]
    print_table(
        ["", "estimate", "95 % interval", "results", "effective", ""],
        [
            (
                name,
                "" if own.value is None else f"{own.value:.1%}",
                f"{own.low:.1%} to {own.high:.1%}",
                own.n,
                f"{own.effective_n:.0f}",
                "" if own.enough else "too little",
            )
            for name, own in named
        ],
        right=["estimate", "results", "effective"],
    )
    for note in found.notes:
        typer.echo(note, err=True)


def _move(spot_check_id: str, state: Any, data_dir: Path | None, **said: Any) -> None:
    from brands.ids import utc_now
    from screener.spot_checks.store import set_state

    with open_truth(data_dir) as truth, truth.database.write() as conn:
        set_state(conn, spot_check_id, state, actor=actor(), at=utc_now(), **said)
    typer.echo(f"{spot_check_id} is {state}.")


def _shares(given: list[str] | None) -> "Shares":
    from screener.spot_checks.model import Shares

    if not given:
        return Shares()
    names = [field.name for field in fields(Shares)]
    found = dict.fromkeys(names, 0.0)
    for text in given:
        name, _, number = text.partition("=")
        try:
            if name not in names:
                raise ValueError
            found[name] = float(number)
        except ValueError:
            raise Failure(f"--share is STRATEGY=SHARE with one of {', '.join(names)}.", exit_code=2) from None
    return Shares(**found)


def _print_plan(plan: "Plan", as_json: bool) -> None:
    from screener.spot_checks.payloads import WholePlanOut, shown

    if as_json:
        print_json(WholePlanOut.model_validate(shown(plan)).model_dump(mode="json"))
        return
    print_table(
        ["", "spot check", "screening", "state", "chance", "strategy", "why"],
        [_line(pick) for pick in plan.picks],
        right=["", "chance"],
    )
    left_out = len(plan.parameters["taken"])
    typer.echo(
        f"{plan.id}: {len(plan.picks)} of {plan.population} listings, seed {plan.seed};"
        f" {left_out} more were appraised or planned before.",
        err=True,
    )


def _line(pick: "Pick") -> tuple[object, ...]:
    words: list[str] = pick.reasons["words"]
    return pick.position + 1, pick.id, pick.screening_id, pick.state, f"{pick.inclusion:.4f}", pick.strategy, words[0]


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
