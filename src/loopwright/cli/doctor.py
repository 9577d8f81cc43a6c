"""`loopwright doctor`: what is configured, what answers, what doesn't."""

from __future__ import annotations

from rich.markup import escape

from loopwright.bootstrap.checks import Check
from loopwright.bootstrap.doctor import examine
from loopwright.cli.output import Common, answer, say
from loopwright.core.codec import to_plain
from loopwright.errors import SettingsError

MARKS = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "fail": "[red]✗[/]"}


def doctor(*, common: Common = Common()) -> int:  # noqa: B008
    """Look at everything Loopwright leans on, and say what is well, what is not, and the remedy.

    Ends with 1 where something is broken; a warning is not. Secrets are not shown.
    """
    checks = []
    try:
        for check in examine(common.platform()):
            checks.append(check)
            if not common.json:
                _tell(check)
    except SettingsError as error:  # nothing else can be looked at without settings
        checks.append(Check(name="settings", finding="fail", text=error.message, remedy=error.remedy))
        if not common.json:
            _tell(checks[-1])
    if common.json:
        answer(to_plain(checks))
    return 1 if any(check.finding == "fail" for check in checks) else 0


def _tell(check: Check) -> None:
    say(f"{MARKS[check.finding]} [bold]{check.name:10}[/] {escape(check.text)}")
    if check.remedy:
        say(f"  {'':10} [dim]{escape(check.remedy)}[/]")
