"""A first look: columns from the head of a source, and declarations that name what is not there."""

import polars as pl
import pytest

from loopwright.data.peek import check_columns, peek, peek_rows
from loopwright.declare import Declaration
from loopwright.errors import DeclarationError, SourceError

KINDS = {"cnt": "integer", "dteday": "date", "season": "integer", "flag": "boolean", "word": "text"}


def declared(**said):
    return Declaration(**{"name": "bike", "source": "hour.csv", "target": "cnt", **said})


def test_names_and_kinds_come_from_the_head(room):
    body = "".join(f"{n},x,2024-01-01\n" for n in range(5000))
    room.write("a.csv", f"n,w,day\n{body}0.5,x,2024-01-01\n")
    assert peek("a.csv", room.folder) == {"n": "integer", "w": "text", "day": "date"}
    assert list(peek("a.csv", room.folder)) == ["n", "w", "day"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.parquet", pl.DataFrame({"n": [1], "w": ["x"]})), ("a.jsonl", '{"n": 1, "w": "x"}\n'), ("a.csv", "n,w\n1,x\n")],
)
def test_every_format_can_be_looked_at(room, name, content):
    room.write(name, content)
    assert peek(name, room.folder) == {"n": "integer", "w": "text"}


def test_a_query_is_looked_at_without_reading_its_rows(room):
    room.write("a.csv", "n,w\n1,x\n")
    assert peek("SELECT n * 0.5 AS half, w FROM 'a.csv';", room.folder) == {"half": "number", "w": "text"}
    with pytest.raises(SourceError, match="cannot be run"):
        peek("SELECT nothing FROM 'a.csv'", room.folder)


def test_of_several_files_the_first_is_looked_at(room):
    room.write("1.csv", "a\n1\n")
    room.write("2.csv", "b\n1\n")
    assert peek("*.csv", room.folder) == {"a": "integer"}


def test_what_cannot_be_read_is_refused(room):
    with pytest.raises(SourceError, match="there is no file"):
        peek("none.csv", room.folder)


def test_a_declaration_that_fits_is_let_be():
    check_columns(declared(time="dteday", key="word", drop=("flag",), slices=("season",), redact=("word",)), KINDS)


@pytest.mark.parametrize(
    ("said", "message", "remedy"),
    [
        ({"target": "count"}, "target names the column 'count', which 'hour.csv' does not have", "did you mean 'cnt'"),
        ({"target": "CNT"}, "target names the column 'CNT'", "did you mean 'cnt'"),
        ({"target": "zzz"}, "target names the column 'zzz'", "found cnt, dteday, season, flag, word"),
        ({"time": "dteDay2"}, "time names the column 'dteDay2'", "did you mean 'dteday'"),
        ({"key": "instant"}, "key names the column 'instant'", "found cnt"),
        ({"drop": ("word", "casual")}, "drop names the column 'casual'", "found cnt"),
        ({"slices": ("seasons",)}, "slices names the column 'seasons'", "did you mean 'season'"),
        ({"redact": ("name",)}, "redact names the column 'name'", "found cnt"),
        ({"time": "flag"}, "the time column 'flag' is boolean", "dates"),
        ({"drop": ("dteday", "season", "flag", "word")}, "no column is left to learn from", "drop fewer"),
    ],
)
def test_a_declaration_that_names_what_is_not_there_is_refused(said, message, remedy):
    with pytest.raises(DeclarationError) as caught:
        check_columns(declared(**said), KINDS)
    assert message in caught.value.message
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("source", ["a.csv", "SELECT * FROM 'a.csv';"])
def test_the_first_rows_come_typed_and_no_more_than_a_thousand(room, source):
    body = "".join(f"{n},x,2024-01-01\n" for n in range(5000))
    room.write("a.csv", f"n,w,day\n{body}")
    rows = peek_rows(source, room.folder)
    assert rows.height == 1000
    assert rows["n"].to_list()[:3] == [0, 1, 2]
    assert rows.schema == {"n": pl.Int64, "w": pl.String, "day": pl.Date}
