"""`loopwright retrain`: ask the governor for a retrain."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from rich.markup import escape

from loopwright.bootstrap.session import Session
from loopwright.cli.output import Common, answer, reasons, say
from loopwright.core.codec import to_plain


def retrain(
    model: str | None = None,
    *,
    force: Annotated[bool, Parameter(negative="", help="Skip all the governor's rules but one run at a time.")] = False,
    reason: Annotated[str, Parameter(help="Why, kept with the request and its run.")] = "asked for by hand",
    common: Common = Common(),  # noqa: B008
) -> int:
    """Ask that MODEL learn again; the governor accepts or refuses, and says why.

    Ends with 0 when a run waits for a worker (`loopwright up`, or `loopwright tick`), 1 when it was refused.
    """
    with Session(common.platform()) as session:
        asked = session.retrain(model, reason=reason, force=force)
    accepted = asked.status == "accepted"
    if common.json:
        answer(to_plain(asked))
        return 0 if accepted else 1
    if asked.decision is not None:
        reasons(asked.decision.reasons)
    if accepted:
        say(f"[bold green]accepted[/]: {asked.run} waits for a worker; `loopwright tick` works through it here and now")
    else:
        why = escape(asked.decision.because()) if asked.decision else "not decided yet"
        say(f"[bold red]{asked.status}[/]: {why}")
    return 0 if accepted else 1
