"""`loopwright retrain`: ask the governor for a retrain."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from rich.markup import escape

from loopwright.bootstrap.session import Session
from loopwright.cli.output import Common, answer, reasons, say
from loopwright.core.codec import to_plain
from loopwright.errors import RequestError


def retrain(
    model: str | None = None,
    *,
    force: Annotated[bool, Parameter(negative="", help="Skip all the governor's rules but one run at a time.")] = False,
    approve: Annotated[str | None, Parameter(help="Let this request go on, which waits for a person.")] = None,
    reason: Annotated[str, Parameter(help="Why, kept with the request and its run.")] = "asked for by hand",
    common: Common = Common(),  # noqa: B008
) -> int:
    """Ask that MODEL learn again, or approve a request; the governor accepts or refuses, and says why.

    Ends with 0 when a run waits for a worker (`loopwright up`, or `loopwright tick`), 1 when it was refused or waits.
    """
    if approve is not None and (model is not None or force):
        raise RequestError("--approve is of a request, which has its model", remedy="leave MODEL and --force out")
    with Session(common.platform()) as session:
        asked = session.approve_retrain(approve) if approve else session.retrain(model, reason=reason, force=force)
    accepted = asked.status == "accepted"
    if common.json:
        answer(to_plain(asked))
        return 0 if accepted else 1
    if asked.decision is not None:
        reasons(asked.decision.reasons)
    if accepted:
        say(f"[bold green]accepted[/]: {asked.run} waits for a worker; `loopwright tick` works through it here and now")
    else:
        standing = "refused" if asked.status == "refused" else "waiting"
        say(f"[bold red]{standing}[/]: {escape(asked.why())}")
    return 0 if accepted else 1
