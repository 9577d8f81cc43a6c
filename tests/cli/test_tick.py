"""`loopwright tick`: what it did is said so that a person understands it."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from tests.loop.conftest import rows


def test_a_tick_says_who_asked_what_came_of_it_and_where_a_rollout_stands(command: Command, project: Path) -> None:
    model = project / "demand.py"
    text = model.read_text().replace('Governor("1s")', 'Governor("0s")').replace("[NewData()]", "[NewData(10)]")
    model.write_text(text.replace('steps=(50, 100), interval="1s"', 'steps=(50, 100), interval="0s"'))
    command("run")
    assert "nothing is due" in command("tick").out
    rows(40, start=60).write_csv(project / "data" / "b.csv")
    said = command("tick").out
    assert "demand: new data asked for a retrain, which is accepted" in said
    assert "of demand: succeeded" in said
    assert "takes 50 %" in command("rollout", "ledger", "demand").out
