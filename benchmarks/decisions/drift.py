"""Drift: false alarms on stationary features, power and delay beside SciPy, what real sets show, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from scipy import stats
from serving.figures import Figure, figure, left_out, ratio

from decisions.effort import Effort
from loopwright.bundle.records import Reference, ReferenceColumn
from loopwright.monitoring.columns import compare_columns
from loopwright.monitoring.drift import compare_rows, report_rows
from loopwright.monitoring.joint import joint_drift
from loopwright.monitoring.rules import judge_drift, judge_joint
from loopwright.monitoring.windows import keep_window, kept_between
from loopwright.policies.retraining import Drift
from loopwright.statistics.comparison import ks_counts
from loopwright.statistics.histogram import count_into, edges_from
from loopwright.statistics.special import kolmogorov_tail
from loopwright.statistics.streaming import Adwin, EDetector, PageHinkley, alarms
from loopwright.testing.storage import MemoryStorage
from loopwright.traffic.summary import ColumnCounts, WindowSummary, merge

PART = "drift"
FEATURES, BINS, WORDS = 50, 20, 12
WORDS_TOLD = (3, 30, 500, 20_000)  # different words in the columns of words
WAS, NOW = 5_000, 1_000
DRIFT = Drift()
HOUR, START = timedelta(hours=1), datetime(2026, 1, 5, tzinfo=UTC)
PICTURE = Path(__file__).parents[2] / "docs" / "explanation" / "decisions-drift.png"


def measure(effort: Effort) -> Iterator[Figure]:
    rng = np.random.default_rng(effort.seed)
    yield from false_alarms(effort, rng)
    yield from power(effort, rng)
    yield from delay(effort, rng)
    yield from joint(effort, rng)
    yield from streams(effort, rng)
    yield from real_sets(effort)
    yield from cost(effort, rng)


def rate(name: str, hits: int, trials: int, **goal: float) -> Figure:
    """A share with its exact binomial interval at 95 % (Clopper & Pearson, 1934)."""
    low = stats.beta.ppf(0.025, hits, trials - hits + 1) if hits else 0.0
    high = stats.beta.ppf(0.975, hits + 1, trials - hits) if hits < trials else 1.0
    note = f"{hits} of {trials}"
    return Figure(
        part=PART, name=name, unit="", value=hits / trials, low=float(low), high=float(high), note=note, **goal
    )


def false_alarms(effort: Effort, rng: np.random.Generator) -> Iterator[Figure]:
    """Windows of 50 features, 40 numbers and 10 categories, each window with a reference of its own."""
    told = {"tests, from counts": 0, "alarms, from counts": 0, "Kolmogorov's own law": 0}
    for _ in range(effort.simulations):
        reference, window = stationary(rng)
        columns = compare_columns(reference, window, DRIFT)
        told["tests, from counts"] += any(one.p_value < DRIFT.alpha for one in columns)
        told["alarms, from counts"] += not judge_drift(columns, NOW, DRIFT).decision.passed
        told["Kolmogorov's own law"] += asymptotic(columns) < DRIFT.alpha
    sims = effort.simulations
    tested = rate("a window of 50 features: any test significant, counts", told["tests, from counts"], sims)
    yield tested
    yield figure(
        PART, "its lower 95 % bound (nominal 0.01)", "", [tested.low], at_most=DRIFT.alpha, note="Holm over the columns"
    )
    yield rate("the same with Kolmogorov's continuous law", told["Kolmogorov's own law"], sims)
    yield rate("a window of 50 features: alarms (test and PSI)", told["alarms, from counts"], sims, at_most=DRIFT.alpha)
    rows = max(20, sims // 5)
    exact = [
        compare_rows(pl.DataFrame(rng.normal(size=(2_000, 50))), pl.DataFrame(rng.normal(size=(NOW, 50))), DRIFT)
        for _ in range(rows)
    ]
    tested = rate("any test significant, exact rows", sum(any(c.p_value < 0.01 for c in one) for one in exact), rows)
    yield tested
    yield figure(PART, "its lower 95 % bound (nominal 0.01) ", "", [tested.low], at_most=DRIFT.alpha)


def stationary(rng: np.random.Generator) -> tuple[Reference, WindowSummary]:
    """Counts as they come of unchanged columns. The law of a number's counts is the same whatever its distribution:
    the reference's quantiles cut the truth into spacings (Pyke, 1965), which the window's rows fall into.
    """
    columns, counts = [], {}
    for place in range(FEATURES):
        name = f"input.c{place}"
        if place < FEATURES - 10:
            spacings = rng.gamma(np.append(np.full(BINS, WAS / BINS), 1.0))
            shares = np.append(spacings[: BINS - 1], spacings[BINS - 1 :].sum()) / spacings.sum()
            was, kind = np.full(BINS, WAS // BINS), "number"
            extra = {"edges": tuple(np.linspace(0, 1, BINS - 1))}
        else:
            shares = np.arange(1, WORDS + 1) / np.arange(1, WORDS + 1).sum()
            was, kind = np.append(rng.multinomial(WAS, shares), 0), "category"
            shares, extra = np.append(shares, 0.0), {"values": tuple(f"{word}" for word in range(WORDS))}
        columns.append(ReferenceColumn(name=name, kind=kind, counts=tuple(was.tolist()), importance=0.02, **extra))
        counts[name] = ColumnCounts(bins=tuple(rng.multinomial(NOW, shares).tolist()))
    return Reference(rows=WAS, columns=tuple(columns)), summary(counts, NOW)


def summary(counts: dict[str, ColumnCounts], rows: int, start: datetime = START) -> WindowSummary:
    return WindowSummary(
        endpoint="demand",
        revision=1,
        variant="champion",
        version=1,
        start=start,
        seconds=3600,
        requests=rows,
        rows=rows,
        columns=counts,
    )


def asymptotic(columns: tuple) -> float:
    """The least p-value times the columns, had the counts' distances been judged by Kolmogorov's continuous law."""
    root = np.sqrt(WAS * NOW / (WAS + NOW))
    p = [kolmogorov_tail(root * one.statistic) if one.test == "ks" else 1.0 for one in columns]
    return min(p) * len(columns)


def power(effort: Effort, rng: np.random.Generator) -> Iterator[Figure]:
    """One column at alpha = 1 %: our test on 20 bins beside SciPy's on the values themselves."""
    changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "mean + 0.1 sd": lambda x: x + 0.1,
        "mean + 0.2 sd": lambda x: x + 0.2,
        "spread x 1.2": lambda x: x * 1.2,
        "5 % of the rows + 3 sd": lambda x: x + 3 * (rng.random(len(x)) < 0.05),
    }
    sims = max(40, effort.simulations // 4)
    for name, change in changes.items():
        ours = theirs = 0
        for _ in range(sims):
            was, now = rng.normal(size=WAS), change(rng.normal(size=NOW))
            edges = edges_from(was)
            ours += ks_counts(count_into(edges, was).counts, count_into(edges, now).counts).p_value < 0.01
            theirs += stats.ks_2samp(was, now, method="asymp").pvalue < 0.01
        yield rate(f"power, {name}: 20 bins", ours, sims)
        yield rate(f"power, {name}: SciPy's ks_2samp on the rows", theirs, sims)


def delay(effort: Effort, rng: np.random.Generator) -> Iterator[Figure]:
    """A mean that moves by 0.1 sd a window: the windows until the alarm."""
    found: dict[str, list[float]] = {"ours, PSI and test": [], "SciPy, test alone": []}
    for _ in range(max(10, effort.simulations // 20)):
        was = rng.normal(size=WAS)
        edges = edges_from(was)
        counts = count_into(edges, was).counts
        reference = Reference(
            rows=WAS, columns=(ReferenceColumn(name="input.x", kind="number", counts=counts, edges=edges),)
        )
        left = set(found)
        for place in range(1, 21):
            now = rng.normal(0.1 * place, size=NOW)
            window = summary({"input.x": ColumnCounts(bins=count_into(edges, now).counts)}, NOW)
            told = {
                "ours, PSI and test": compare_columns(reference, window, DRIFT)[0].drifted,
                "SciPy, test alone": stats.ks_2samp(was, now, method="asymp").pvalue < 0.01,
            }
            for name in [one for one in left if told[one]]:
                found[name].append(place)
                left.remove(name)
    for name, windows in found.items():
        yield figure(PART, f"delay, mean + 0.1 sd a window: {name}", "win", windows)


def joint(effort: Effort, rng: np.random.Generator) -> Iterator[Figure]:
    """Columns whose correlation changes while each stays as it was."""
    sims = max(20, effort.simulations // 20)
    for correlation, name in ((0.0, "nothing changed"), (0.4, "correlation 0 to 0.4"), (0.8, "correlation 0 to 0.8")):
        tests = hits = columns = 0
        for _ in range(sims):
            was = pl.DataFrame(rng.normal(size=(2_000, 4)))
            both = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], NOW)
            now = pl.DataFrame(np.column_stack([both, rng.normal(size=(NOW, 2))]))
            found = joint_drift(was, now)
            tests += found.p_value < DRIFT.alpha
            hits += not judge_joint(found, DRIFT).decision.passed
            columns += any(one.drifted for one in compare_rows(was, now, DRIFT))
        yield rate(f"classifier, {name}: significant", tests, sims)
        yield rate(f"classifier, {name}: alarms", hits, sims)
        yield rate(f"columns one by one, {name}: alarms", columns, sims)


def streams(effort: Effort, rng: np.random.Generator) -> Iterator[Figure]:
    """Errors that come one after another, 15 % of them wrong, then 30 %."""
    detectors = {
        "e-detector, run length 10,000": EDetector(mean=0.15, run_length=10_000),
        "ADWIN, delta 0.002": Adwin(),
        "Page-Hinkley, threshold 30": PageHinkley(threshold=30),
    }
    length = 20_000 if effort.quick else 200_000
    calm = (rng.random(length) < 0.15).astype(float)
    for name, detector in detectors.items():
        goal = {"at_most": 1.0} if isinstance(detector, EDetector) else {}
        false = len(alarms(detector, calm)) / length * 10_000
        yield figure(PART, f"{name}: false alarms in 10,000 errors", "", [false], **goal)
        delays = []
        for _ in range(max(20, effort.simulations // 20)):
            values = np.concatenate([rng.random(1_000) < 0.15, rng.random(3_000) < 0.3]).astype(float)
            later = [place - 999 for place in alarms(detector, values) if place >= 1_000]
            delays.append(later[0] if later else 3_000)
        yield figure(PART, f"{name}: delay, 15 % to 30 %", "rows", delays)


def real_sets(effort: Effort) -> Iterator[Figure]:
    """What each column of a real set did, month by month against its beginning."""
    if effort.data is None:
        yield left_out(PART, "electricity, bike sharing, flights", "no folder of data sets was named")
        return
    for name, (reference, windows) in {
        "electricity": electricity(effort.data),
        "bike sharing": bikes(effort.data),
        "flights": flights(effort.data),
    }.items():
        told: dict[str, list[tuple[str, float]]] = {}
        for when, window in windows:
            for one in compare_rows(reference, window, DRIFT):
                told.setdefault(one.column.removeprefix("input."), [])
                if one.drifted:
                    told[one.column.removeprefix("input.")].append((when, one.psi))
        for column, drifted in told.items():
            most = max(drifted, key=lambda pair: pair[1], default=("", 0.0))
            note = f"first {drifted[0][0]}, most {most[0]} (PSI {most[1]:.2f})" if drifted else "never"
            yield figure(PART, f"{name}: {column} drifted in, of {len(windows)} windows", "", [len(drifted)], note=note)


Windows = tuple[pl.DataFrame, list[tuple[str, pl.DataFrame]]]


def electricity(folder: Path) -> Windows:
    """Half-hours from May 1996; windows of four weeks against the first twelve weeks."""
    rows = pl.read_csv(folder / "electricity_elec2" / "electricity.csv")
    kept = rows.select(pl.col(pl.Float64, pl.Int64, pl.String).exclude("date", "period", "day"))
    first, length = 48 * 7 * 12, 48 * 7 * 4
    starts = range(first, rows.height - length + 1, length)
    begun = datetime(1996, 5, 7, tzinfo=UTC)
    return kept[:first], [
        (f"{begun + timedelta(minutes=30 * start):%Y-%m-%d}", kept[start : start + length]) for start in starts
    ]


def bikes(folder: Path) -> Windows:
    """Hours of 2012 by month against 2011."""
    rows = pl.read_csv(folder / "bike_sharing_hourly" / "hour.csv", try_parse_dates=True)
    kept = rows.select(
        "temp", "hum", "windspeed", "weathersit", "workingday", "cnt", month=pl.col("dteday").dt.strftime("%Y-%m")
    )
    months = [month for month in kept["month"].unique().sort() if month >= "2012"]
    was = kept.filter(pl.col("month") < "2012").drop("month")
    return was, [(month, kept.filter(pl.col("month") == month).drop("month")) for month in months]


def flights(folder: Path) -> Windows:
    """Departures of 2013 by month against January."""
    rows = pl.read_parquet(folder / "nycflights13" / "flights.parquet")
    kept = rows.select("month", "dep_delay", "arr_delay", "air_time", "distance", "carrier", "origin", "dest")
    was, *rest = [kept.filter(pl.col("month") == month).drop("month") for month in range(1, 13)]
    return was, [(f"2013-{month:02}", part) for month, part in enumerate(rest, start=2)]


def cost(effort: Effort, rng: np.random.Generator) -> Iterator[Figure]:
    rows = 50_000 if effort.quick else 1_000_000
    was, now = table(rng, rows, 20), table(rng, rows, 20)
    ours, bare = [], []
    for _ in range(1 if effort.quick else 3):
        bare.append(timed(lambda: bare_statistics(was, now)))
        ours.append(timed(lambda: compare_rows(was, now, DRIFT)))
    name = f"drift report, {rows:,} against {rows:,} rows x 20 columns"
    yield figure(PART, f"{name}: ours", "s", ours)
    yield figure(PART, f"{name}: bare NumPy and Polars", "s", bare)
    yield ratio(PART, f"{name}: ours to bare", ours, bare, at_most=1.2)
    for traffic in (10**4, 10**9):
        taken = [1000 * timed(one) for one in [from_counts(traffic, 20)] * 7]
        yield figure(PART, f"from a day of counts, {traffic:,} rows x 20 columns", "ms", taken, at_most=50)
    if not effort.quick:
        draw(rng)


def table(rng: np.random.Generator, rows: int, columns: int) -> pl.DataFrame:
    """Of five columns three are reals, one is of whole numbers, one of words."""
    made = {}
    for place in range(columns):
        if place % 5 < 3:
            made[f"real_{place}"] = rng.normal(size=rows)
        elif place % 5 == 3:
            made[f"whole_{place}"] = rng.integers(0, 10 ** (1 + place // 5 % 4 * 2), rows)
        else:
            words = pl.Series([f"word {word}" for word in range(WORDS_TOLD[place // 5 % 4])])
            made[f"word_{place}"] = words[rng.integers(0, len(words), rows)]
    return pl.DataFrame(made)


def bare_statistics(was: pl.DataFrame, now: pl.DataFrame) -> list[tuple[float, ...]]:
    """PSI, Jensen-Shannon, KS, Wasserstein and chi² as the formulas say, with no checks, records or judgement."""
    found = []
    for name in was.columns:
        if was[name].dtype == pl.String:
            first, second = (one[name].value_counts(name="rows") for one in (was, now))
            both = first.join(second, on=name, how="full", coalesce=True).fill_null(0)
            p, q = both["rows"].to_numpy(), both["rows_right"].to_numpy()
            expected = (p + q) * len(now) / (len(was) + len(now))
            found.append((*distances(p, q), float(((q - expected) ** 2 / expected).sum())))
        else:
            a, b = (np.sort(one[name].to_numpy().astype(float)) for one in (was, now))
            edges = np.unique(np.quantile(a, np.arange(1, BINS) / BINS))
            p, q = (np.diff(np.searchsorted(one, edges), prepend=0, append=len(one)) for one in (a, b))
            everything = np.concatenate([a, b])
            everything.sort(kind="stable")
            below = [np.searchsorted(one, everything, side="right") / len(one) for one in (a, b)]
            apart = np.abs(below[0] - below[1])
            moved = float((apart[:-1] * np.diff(everything)).sum())
            found.append((*distances(p, q), float(apart.max()), moved))
    return found


def distances(was: np.ndarray, now: np.ndarray) -> tuple[float, float]:
    p, q = (one + 0.5 for one in (was, now))
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2
    return float(((q - p) * np.log(q / p)).sum()), float(
        np.sqrt((p * np.log2(p / middle) + q * np.log2(q / middle)).sum() / 2)
    )


def from_counts(traffic: int, columns: int) -> Callable[[], object]:
    """A day of kept windows, read, merged, compared and judged, as the command does it."""
    storage, edges = MemoryStorage(), tuple(np.linspace(0, 1, BINS + 1))
    made = [
        ReferenceColumn(name=f"input.c{place}", kind="number", counts=(0, *([WAS // BINS] * BINS), 0), edges=edges)
        for place in range(columns)
    ]
    reference = Reference(rows=WAS, columns=tuple(made))
    counts = {one.name: ColumnCounts(bins=(0, *([traffic // 24 // BINS] * BINS), 0)) for one in made}
    for hour in range(24):
        start = START + hour * HOUR
        keep_window(storage, summary(counts, traffic // 24, start), start, HOUR)

    def look() -> object:
        merged = merge(kept_between(storage, "demand", 1, START, START + 24 * HOUR, HOUR))
        found = compare_columns(reference, merged, DRIFT)
        said = {"reference": "", "current": "", "rows": merged.rows, "was_rows": WAS}
        return report_rows(found, None, DRIFT, **said, exact=False)

    return look


def timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def draw(rng: np.random.Generator) -> None:
    """Seconds as rows grow (20 columns) and as columns grow (100,000 rows)."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    picture, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), sharey=True)
    for axis, sizes, name in (
        (left, [(rows, 20) for rows in (10_000, 30_000, 100_000, 300_000, 1_000_000)], "rows on each side"),
        (right, [(100_000, columns) for columns in (5, 10, 20, 40, 80)], "columns"),
    ):
        drawn = {"exact rows": [], "bare NumPy and Polars": [], "from counts": []}
        for rows, columns in sizes:
            was, now = table(rng, rows, columns), table(rng, rows, columns)
            drawn["exact rows"].append(timed(lambda was=was, now=now: compare_rows(was, now, DRIFT)))
            drawn["bare NumPy and Polars"].append(timed(lambda was=was, now=now: bare_statistics(was, now)))
            look = from_counts(rows, columns)
            drawn["from counts"].append(min(timed(look) for _ in range(5)))
        places = [one[0] if axis is left else one[1] for one in sizes]
        for label, seconds in drawn.items():
            axis.plot(places, seconds, marker="o", label=label, linestyle="--" if "bare" in label else "-")
        axis.set(xscale="log", yscale="log", xlabel=name)
        axis.set_xticks(places, [f"{place:,}" for place in places], minor=False)
        axis.minorticks_off()
        axis.grid(alpha=0.3)
    left.set_ylabel("seconds")
    left.legend(frameon=False)
    left.set_title("20 columns", fontsize=10)
    right.set_title("100,000 rows", fontsize=10)
    picture.tight_layout()
    picture.savefig(PICTURE, dpi=120)
