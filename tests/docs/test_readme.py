"""The README: its models can be declared, its first one runs and answers as it says."""

from __future__ import annotations

import random
from pathlib import Path

from loopwright.bootstrap.platform import open_platform
from tests.docs.pages import ROOT, Block, blocks
from tests.docs.running import Reader, Terminal


def test_three_minutes_are_enough_for_a_model_that_answers(project: Path, terminal: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "churn"
    folder.mkdir()
    _write_churn(folder / "churn.csv")
    code, commands, asking = _three_minutes()
    (folder / "churn.py").write_text(code.text, encoding="utf-8")
    for command in commands.commands():
        words = command.split("#")[0].split()
        if words[1] != "up":
            assert terminal([*words[1:], "--project", str(folder)])[0] == 0
    assert (folder / "contracts/churn.odcs.yaml").exists()
    with open_platform(folder).hosting.reach("churn") as client:
        reader = Reader(folder, ports={"8401": str(client.base_url.port)})
        reader.read([asking])
    assert '"predictions"' in reader.said


def _three_minutes() -> tuple[Block, Block, Block]:
    """The declaration, the commands, and the request of the README's first model."""
    here = blocks(ROOT / "README.md")
    code = next(block for block in here if block.language == "python" and '"churn"' in block.text)
    commands = next(block for block in here if "loopwright run" in block.text)
    return code, commands, next(block for block in here if "curl" in block.text)


def _write_churn(path: Path) -> None:
    """400 customers; those on the basic plan who call often leave."""
    draw = random.Random(7)
    lines = ["customer,plan,months,calls,churned"]
    for customer in range(400):
        plan, months, calls = draw.choice(["basic", "plus"]), draw.randint(1, 60), draw.randint(0, 9)
        leaves = draw.random() < (0.15 + 0.06 * calls) * (1.4 if plan == "basic" else 0.4)
        lines.append(f"{customer},{plan},{months},{calls},{'yes' if leaves else 'no'}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
