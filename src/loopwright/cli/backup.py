"""`loopwright backup` and `loopwright restore`: a project's state in one file, and back."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from loopwright.bootstrap.backup import write_backup
from loopwright.bootstrap.restore import restore_backup
from loopwright.cli.output import Common, answer, progress, say
from loopwright.core.codec import to_plain


def backup(
    file: Path,
    *,
    captures: Annotated[bool, Parameter(help="Also the predictions captured and their summaries.")] = True,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Write all that the project needs to go on into FILE (tar.gz): it may run meanwhile.

    That is the state database, the object store, the contracts, and MLflow's database where it is the project's own.
    The project's code is not in it: keep that in Git.
    """
    platform = common.platform()
    with progress("backing up", quiet=common.json) as shown:
        made = write_backup(platform, file, captures=captures, progress=shown)
    platform.close()
    if common.json:
        answer(to_plain(made) | {"file": str(file), "bytes": file.stat().st_size})
        return 0
    say(f"{file}: {made.objects:,} objects, {made.rows:,} rows, {file.stat().st_size / 1e6:,.1f} MB")
    if not made.mlflow:
        say("  MLflow is not in it: it is turned off, or lies elsewhere")
    return 0


def restore(
    file: Path,
    *,
    force: Annotated[bool, Parameter(negative="", help="Replace whatever the project holds now.")] = False,
    common: Common = Common(),  # noqa: B008
) -> int:
    """Bring the project back to what FILE holds; the settings say into which database and store.

    A backup from SQLite can be restored into PostgreSQL, one from a folder into a bucket, and the other way round.
    """
    with suppress(OSError):  # where it cannot be made, `platform` says that it is not there
        common.project.mkdir(parents=True, exist_ok=True)
    platform = common.platform()
    with progress("restoring", quiet=common.json) as shown:
        made = restore_backup(platform, file, force=force, progress=shown)
    platform.close()
    if common.json:
        answer(to_plain(made))
        return 0
    say(f"restored {made.objects:,} objects and {made.rows:,} rows of {made.created:%Y-%m-%d %H:%M:%S} UTC")
    return 0
