"""`loopwright simulate`: the real loop through months that do not happen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.markup import escape

from loopwright.cli.output import answer, progress, say, table, write_text
from loopwright.core.codec import to_plain
from loopwright.errors import StorageError
from loopwright.simulation.page import to_html
from loopwright.simulation.records import RowsFrom, SimulationReport
from loopwright.simulation.scenarios import scenarios
from loopwright.simulation.service import simulate as play
from loopwright.simulation.words import facts


def simulate(
    project: Annotated[Path | None, Parameter(help="The project's folder; without one, a world of our own.")] = None,
    /,
    *,
    scenario: Annotated[str, Parameter(help="A scenario's name (see --list), or a TOML file.")] = "quiet",
    model: Annotated[str | None, Parameter(help="Which of the project's models.")] = None,
    rows: Annotated[
        RowsFrom, Parameter(help="Whose rows come: the project's in their order or drawn, or ours.")
    ] = "auto",
    days: Annotated[int, Parameter(help="How many days.")] = 90,
    predictions_per_day: Annotated[int | None, Parameter(help="How many are asked for on a day.")] = None,
    seed: Annotated[int, Parameter(help="The same seed makes the same world.")] = 0,
    output: Annotated[Path | None, Parameter(help="Where to write the report as a page (.html).")] = None,
    keep: Annotated[Path | None, Parameter(help="A new folder to do it in, which stays.")] = None,
    json: Annotated[bool, Parameter(negative="", help="Answer in JSON, for a program.")] = False,
    list: Annotated[bool, Parameter(negative="", help="Show the scenarios that there are, and end.")] = False,
) -> int:
    """Run the loop of a project through a scenario, on a clock that does months in a minute, and say how it did.

    The loop is the real one: runs, gate, rollouts, monitors, governor. The world and its traffic are simulated.
    """
    if list:
        return _list(json)
    if output is not None and not output.parent.is_dir():  # better told now than after a minute
        raise StorageError(f"there is no folder {output.parent}", remedy="write elsewhere")
    with progress("simulating", quiet=json) as show:
        report = play(
            project,
            scenario,
            model=model,
            rows=rows,
            days=days,
            predictions_per_day=predictions_per_day,
            seed=seed,
            keep=keep,
            progress=show,
        )
    if output is not None:
        write_text(output, to_html(report))
    if json:
        answer(as_plain(report))
    else:
        _tell(report, output)
    return 0


def as_plain(report: SimulationReport) -> dict[str, object]:
    """The report with what follows from it."""
    follows = ("wrong_promotions", "missed_promotions", "promotions", "false_alarms_per_month", "detection_days")
    plain: dict[str, object] = to_plain(report)
    return plain | {name: getattr(report, name) for name in (*follows, "recovery_days")}


def _list(json: bool) -> int:
    known = scenarios()
    if json:
        answer([{"name": one.name, "summary": one.summary} for one in known])
    else:
        table(("scenario", "what happens"), ((one.name, one.summary) for one in known))
    return 0


def _tell(report: SimulationReport, output: Path | None) -> None:
    say(
        f"[bold]{report.model}[/] through [bold]{report.scenario}[/]: {len(report.days)} simulated days "
        f"({report.rows} rows, seed {report.seed}) in {report.seconds:.0f} seconds"
    )
    if report.note:
        say(f"[yellow]{escape(report.note)}[/]")
    shown = [one for one in report.marks if one.kind != "run"]
    table(("day", "", "what happened"), ((f"{one.day:.1f}", one.kind, one.text[:110]) for one in shown[:40]))
    if len(shown) > 40:
        say(f"… and {len(shown) - 40} more: --output and --json have them all")
    say()
    table(("", ""), facts(report))
    for trouble in report.troubles[:5]:
        say(f"[yellow]{trouble}[/]")
    if output is not None:
        say(f"the page is {output}")
