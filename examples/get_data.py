"""Get an example's data: from its publisher, or from a folder of data sets; checked, and put into its `data/`.

    python examples/get_data.py bike_demand
    python examples/get_data.py flights --from ~/datasets

Each file has to have the checksum that stands here, wherever it comes from. The data keep their publishers' licences.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

EXAMPLES = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of an example's `data/`: where its publisher has it, where a folder of data sets, and its checksum.

    `members` lead into zip archives, one in the other. `prepare` makes the file's bytes of what was found.
    """

    name: str
    url: str
    local: str
    sha256: str
    members: tuple[str, ...] = ()
    prepare: Callable[[bytes, str], bytes] = lambda found, _: found


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """What an example learns from, who made it, and on which terms it may be used."""

    title: str
    licence: str
    files: tuple[File, ...]


def flights_csv(found: bytes, name: str) -> bytes:
    """The flights as CSV, in the order of their days: the publisher's file is R's, a copy may be Parquet."""
    rows = pl.read_parquet(found) if name.endswith(".parquet") else _read_rda(found)
    columns = [pl.col(one).cast(pl.String if one in FLIGHT_TEXTS else pl.Int32) for one in FLIGHT_COLUMNS]
    rows = rows.select(columns).with_columns(pl.col(one).replace("", None) for one in FLIGHT_TEXTS)
    return rows.sort("year", "month", "day", maintain_order=True).write_csv().encode()


FLIGHT_TEXTS = ("carrier", "tailnum", "origin", "dest")
FLIGHT_COLUMNS = (
    "year", "month", "day", "dep_time", "dep_delay", "arr_time", "arr_delay", "carrier", "tailnum", "flight",
    "origin", "dest", "air_time", "distance", "hour", "minute",
)  # fmt: skip

DATA_SETS = {
    "bike_demand": DataSet(
        title="Bike Sharing, hourly: Capital Bikeshare, Washington DC, 2011 and 2012 (Fanaee-T and Gama, 2013)",
        licence="CC BY 4.0",
        files=(
            File(
                name="hour.csv",
                url="https://archive.ics.uci.edu/static/public/275/bike+sharing+dataset.zip",
                members=("hour.csv",),
                local="bike_sharing_hourly/hour.csv",
                sha256="e03de4ee4ef4dc376ac6e04bf829673c6269e8eba5c60fa121640fa2f829504f",
            ),
        ),
    ),
    "bank_marketing": DataSet(
        title="Bank Marketing, with social and economic context (Moro, Cortez and Rita, 2014)",
        licence="CC BY 4.0",
        files=(
            File(
                name="bank-additional-full.csv",
                url="https://archive.ics.uci.edu/static/public/222/bank+marketing.zip",
                members=("bank-additional.zip", "bank-additional/bank-additional-full.csv"),
                local="bank_marketing/bank-additional-full.csv",
                sha256="74adfc578bf77a7ff4bb1ba4a9f8709d9e3c6907342959c2c8416847e0afb4d8",
            ),
        ),
    ),
    "flights": DataSet(
        title="nycflights13: flights from New York in 2013 (US Bureau of Transportation Statistics), and the weather",
        licence="CC0",
        files=(
            File(
                name="flights.csv",
                url="https://github.com/tidyverse/nycflights13/raw/1aefb92/data/flights.rda",
                local="nycflights13/flights.parquet",
                sha256="a2f472a5030307e1abda20e9bd45b3b657d77134a7885bb47c8ae7f024ec676e",
                prepare=flights_csv,
            ),
            File(
                name="weather.csv",
                url="https://github.com/tidyverse/nycflights13/raw/df98ef2/data-raw/weather.csv",
                local="nycflights13/weather.csv",
                sha256="5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64",
            ),
        ),
    ),
}


def get(example: str, target: Path, source: Path | None = None) -> list[Path]:
    """Put the example's files into `target`, from the folder `source` or else from the network; those there stay.

    Ends the program with a message where a file cannot be had, or is not the one that the example was made for.
    """
    target.mkdir(parents=True, exist_ok=True)
    return [_get(one, target / one.name, source) for one in DATA_SETS[example].files]


def _get(file: File, path: Path, source: Path | None) -> Path:
    if path.exists() and _digest(path.read_bytes()) == file.sha256:
        return path
    origin = file.url if source is None else str(source / file.local)
    try:
        found = _download(file) if source is None else (source / file.local).read_bytes()
    except OSError as error:
        sys.exit(f"{origin} cannot be had: {error}\n  `--from DIR` names a folder that holds {file.local}")
    made = file.prepare(found, origin)
    if _digest(made) != file.sha256:
        sys.exit(f"{origin} is not the file this example was made for: its SHA-256 is {_digest(made)}")
    path.write_bytes(made)
    return path


def _download(file: File) -> bytes:
    with urllib.request.urlopen(file.url, timeout=60) as answer:
        found: bytes = answer.read()
    for member in file.members:
        found = zipfile.ZipFile(io.BytesIO(found)).read(member)
    return found


def _read_rda(found: bytes) -> pl.DataFrame:
    try:
        import pyreadr  # noqa: PLC0415 - needed for this one file only
    except ModuleNotFoundError:
        sys.exit("the flights come as a file of R's, which pyreadr reads: pip install pyreadr")
    import tempfile  # noqa: PLC0415

    with tempfile.NamedTemporaryFile(suffix=".rda") as file:
        file.write(found)
        file.flush()
        (frame,) = pyreadr.read_r(file.name).values()
    return pl.from_pandas(frame)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("example", choices=DATA_SETS)
    parser.add_argument("--from", dest="source", type=Path, metavar="DIR", help="a folder of data sets, for no network")
    given = parser.parse_args()
    chosen = DATA_SETS[given.example]
    print(f"{chosen.title}\n  licence: {chosen.licence}")
    for path in get(given.example, EXAMPLES / given.example / "data", given.source):
        print(f"  {path}")


if __name__ == "__main__":
    main()
