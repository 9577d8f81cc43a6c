"""`loopwright gc`: remove what nothing needs any more, now."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from loopwright.cli.output import Common, answer, say, table
from loopwright.core.codec import to_plain


def gc(
    *,
    dry_run: Annotated[bool, Parameter(negative="", help="Only say what would go.")] = False,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Remove snapshots, bundles, captures, summaries and job files that nothing needs any more.

    The settings `keep_days` and `keep_versions` say how long; the platform does this by itself once an hour.
    """
    platform = common.platform()
    swept = platform.retention.sweep(dry_run=dry_run)
    platform.close()
    if common.json:
        answer(to_plain(swept))
        return 0
    count, verb = sum(swept.removed.values()), "would go" if dry_run else "are gone"
    say(f"{count:,} objects {verb}")
    if swept.waiting:
        say(f"  {swept.waiting:,} more that no record knows are given a day")
    if count:
        table(("kind", "objects"), swept.removed.items())
    return 0
