"""`loopwright models`: the versions of a model, and what is known of each."""

from __future__ import annotations

from cyclopts import App

from loopwright.bootstrap.known import known_here
from loopwright.cli.output import Common, answer, say, table
from loopwright.core.codec import to_plain
from loopwright.ports.storage import fetch_folder
from loopwright.registry.records import ModelVersion

app = App(name="models", help="The versions of a model, and what is known of each.")


@app.default
def list_versions(model: str | None = None, *, common: Common = Common()) -> int:  # noqa: B008
    """Show versions, newest first, with their aliases."""
    platform = common.platform()
    versions = platform.registry.versions(known_here(platform, model))
    aliases = {name: platform.rollouts.aliases(name) for name in {one.model for one in versions}}
    if common.json:
        answer([to_plain(one) | {"aliases": _aliases(one, aliases[one.model])} for one in versions])
        return 0
    table(
        ("model", "version", "alias", "made", "rows", "figures"),
        (
            (
                one.model,
                one.number,
                ", ".join(_aliases(one, aliases[one.model])),
                f"{one.created:%Y-%m-%d %H:%M}",
                f"{one.trained_rows:,}" if one.origin == "trained" else "trained elsewhere",
                ", ".join(f"{name} {value:.4g}" for name, value in sorted(one.metrics.items())[:4]),
            )
            for one in versions
        ),
        none=f"{model or 'no model'} has {'no' if model else 'a'} version yet: `loopwright run` makes one",
    )
    return 0


@app.command
def show(model: str, version: int, *, common: Common = Common()) -> int:  # noqa: B008
    """Show a version's card: what it is, how it did, why it passed, where it came from."""
    platform = common.platform()
    found = platform.registry.get(model, version)
    if common.json:
        answer(to_plain(found))
        return 0
    folder = fetch_folder(platform.storage, found.folder, platform.home / "cache")
    say((folder / "card.md").read_text(encoding="utf-8").replace("[", r"\["))
    for reason in found.gate.reasons:
        say(f"  {reason.finding}: {reason.text}")
    return 0


def _aliases(version: ModelVersion, aliases: dict[str, int]) -> list[str]:
    return [name for name, number in sorted(aliases.items()) if number == version.number]
