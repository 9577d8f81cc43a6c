"""A model card for people, and the bill of materials for auditors."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Any

from loopwright.bundle.records import Manifest


def model_card(
    manifest: Manifest,
    *,
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, Any] | None = None,
    importance: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """The card in Markdown: what the model is, what it was trained on, how it does, what it takes and gives."""
    sections = [
        f"# {manifest.model}\n\n{_summary(manifest)}",
        _table("How it does", ("metric", "value"), _ranked(metrics or {}, by_value=False)),
        _table("What it leans on", ("feature", "importance"), _ranked(importance or {}, by_value=True)[:20]),
        _table("Parameters", ("parameter", "value"), sorted((params or {}).items())),
        _table(
            "What it takes",
            ("column", "kind", "required"),
            [(one.name, one.kind, "yes" if one.required else "no") for one in manifest.signature.inputs],
        ),
        _table("What it gives", ("output", "kind"), [(one.name, one.kind) for one in manifest.signature.outputs]),
        "## Notes\n\n" + "\n".join(f"- {note}" for note in notes) if notes else "",
        _table("Where it comes from", ("what", "which"), sorted(manifest.lineage.items())),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def bom() -> dict[str, Any]:
    """The Python, the platform, and the installed version of every distribution Loopwright depends on, directly."""
    names = sorted({_distribution(line) for line in requires("loopwright") or () if "extra ==" not in line})
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: found for name in ("loopwright", *names) if (found := _installed(name))},
    }


def _summary(manifest: Manifest) -> str:
    kind = {"binary": "A binary classifier", "multiclass": "A classifier", "regression": "A regression"}[manifest.task]
    lines = [f"{kind} of `{manifest.target or 'its target'}`, served by {manifest.runtime}."]
    lines.append(f"Made {manifest.created:%Y-%m-%d %H:%M} UTC from {manifest.trained_rows:,} rows")
    lines[-1] += f", the newest of {manifest.trained_until}." if manifest.trained_until else "."
    if manifest.classes:
        lines.append(f"Classes: {', '.join(manifest.classes)}.")
    if manifest.task == "binary":
        positive = manifest.positive or manifest.classes[1]
        lines.append(f"A row is called {positive} from a probability of {manifest.threshold:g}.")
    return " ".join(lines)


def _ranked(figures: Mapping[str, float], *, by_value: bool) -> list[tuple[str, str]]:
    order = sorted(figures.items(), key=lambda item: (-item[1], item[0]) if by_value else (0, item[0]))
    return [(name, f"{value:.4g}") for name, value in order]


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return ""
    lines = [header, ["---"] * len(header), *rows]
    return f"## {title}\n\n" + "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _distribution(requirement: str) -> str:
    return requirement.split(";")[0].split(" ")[0].split("[")[0].rstrip("<>=!~,.0123456789")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
