"""Snapshots: what sources hold, read right; versions that share their parts; bad files refused in plain words."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from loopwright.core.codec import from_json, to_json
from loopwright.data.records import DatasetVersion
from loopwright.errors import SourceError

moment = dt.datetime.fromisoformat


def parts(room):
    return sorted(key for key in room.storage.objects if key.endswith(".parquet"))


def test_a_csv_becomes_typed_rows_in_its_own_column_order(room):
    room.write("a.csv", "when,n,x,flag,word\n2024-01-01,1,0.5,true,b\n2024-01-02,2,1,False,\n")
    version = room.snapshot("a.csv")
    assert version.kinds == {"when": "date", "n": "integer", "x": "number", "flag": "boolean", "word": "text"}
    rows = room.rows(version)
    assert rows.columns == ["when", "n", "x", "flag", "word"]
    assert rows.rows() == [(dt.date(2024, 1, 1), 1, 0.5, True, "b"), (dt.date(2024, 1, 2), 2, 1.0, False, None)]


def test_column_order_survives_a_record_that_was_json(room):
    room.write("a.csv", "z,a,m\n1,2,3\n")
    version = from_json(to_json(room.snapshot("a.csv")), DatasetVersion)
    assert room.rows(version).columns == ["z", "a", "m"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_recognised(room, delimiter):
    room.write("a.csv", f"a{delimiter}b\n1{delimiter}x y\n2{delimiter}z\n")
    assert room.rows(room.snapshot("a.csv")).rows() == [(1, "x y"), (2, "z")]


def test_quotes_crlf_byte_order_mark_and_blank_lines(room):
    room.write("a.csv", b'\xef\xbb\xbf"id";"a;b"\r\n1;"x ""q"""\r\n\r\n2;"l1\nl2"\r\n')
    version = room.snapshot("a.csv")
    assert room.rows(version).to_dicts() == [{"id": 1, "a;b": 'x "q"'}, {"id": 2, "a;b": "l1\nl2"}]


@pytest.mark.parametrize(
    ("written", "kind", "read"),
    [
        (("2024-01-31T10:20:30", "2024-02-01T00:00:00.5"), "datetime", moment("2024-01-31T10:20:30")),
        (("2024-01-31 10:20:30", "2024-02-01 00:00:00"), "datetime", moment("2024-01-31T10:20:30")),
        (("2024-01-31 10:20", "2024-02-01 00:00"), "datetime", moment("2024-01-31T10:20:00")),
        (("20240131T102030", "20240201T000000"), "datetime", moment("2024-01-31T10:20:30")),
        (("2024-01-31T10:20:30Z", "2024-02-01T00:00:00Z"), "datetime", moment("2024-01-31T10:20:30")),
        (("2024-01-31T10:20:30+02:00", "2024-02-01T00:00:00Z"), "datetime", moment("2024-01-31T08:20:30")),
        (("2024-01-31", "2024-02-30"), "text", "2024-01-31"),
        (("007", "12"), "text", "007"),
        (("12345678901234567890", "1"), "text", "12345678901234567890"),
        (("1", "2.5"), "number", 1.0),
        (("1e3", "-.5"), "number", 1000.0),
        (("1", "NA"), "integer", 1),
        (("1.5", "?"), "number", 1.5),
        (("Namibia", "NA"), "text", "Namibia"),
        (("1", "one"), "text", "1"),
        (("0", "1"), "integer", 0),
        ((" 1", "2 "), "integer", 1),
        (("1.5", *["2.5"] * 2000, " "), "number", 1.5),
        (("1.5", *["2.5"] * 2000, " 7"), "number", 1.5),
        (("1", *["2"] * 2000, "007"), "text", "1"),
        (("1", *["2"] * 2000, "0.5"), "number", 1.0),
        (("1", *["2"] * 2000, "1234567890123456789"), "text", "1"),
    ],
)
def test_kinds_are_read_from_text(room, written, kind, read):
    room.write("a.csv", "k,v\n" + "".join(f"x,{value}\n" for value in written))
    version = room.snapshot("a.csv")
    assert version.kinds["v"] == kind
    assert room.rows(version)["v"][0] == read


@pytest.mark.parametrize(
    ("written", "kind", "read"),
    [
        (("1,5", "2"), "number", 1.5),
        ((" -1,25", "2,125"), "number", -1.25),
        (("1,234", "2,345"), "text", "1,234"),
        (("1,5", *["2"] * 2000, "x"), "text", "1,5"),
        (("1", "2"), "integer", 1),
    ],
)
def test_decimal_commas_are_read_where_a_comma_does_not_separate(room, written, kind, read):
    room.write("a.csv", "k;v\n" + "".join(f"x;{value}\n" for value in written))
    version = room.snapshot("a.csv")
    assert version.kinds["v"] == kind
    assert room.rows(version)["v"][0] == read
    room.write("b.csv", "k,v\n" + "".join(f'x,"{value}"\n' for value in written[:1]))
    assert room.snapshot("b.csv").kinds["v"] == ("integer" if kind == "integer" else "text")


def test_a_late_value_decides_the_kind_of_the_whole_column(room):
    body = "".join(f"{n},{n},\n" for n in range(3000))
    room.write("a.csv", f"n,late,empty_at_first\n{body}1,0.5,7\n")
    assert room.snapshot("a.csv").kinds == {"n": "integer", "late": "number", "empty_at_first": "integer"}


def test_words_for_missing_values_stay_words_in_text_and_vanish_in_numbers(room):
    room.write("a.csv", "country,n\nNA,NA\nDE,4\n")
    assert room.rows(room.snapshot("a.csv")).rows() == [("NA", None), ("DE", 4)]


def test_a_header_without_a_name_is_named_by_its_place(room):
    room.write("a.csv", ",a\n0,1\n")
    assert list(room.snapshot("a.csv").kinds) == ["column_1", "a"]


def test_json_lines(room):
    room.write("a.jsonl", '{"n": 1, "d": "2024-01-01", "w": "x"}\n{"n": 2.5, "d": null, "w": "y"}\n')
    version = room.snapshot("a.jsonl")
    assert version.kinds == {"n": "number", "d": "date", "w": "text"}
    assert room.rows(version).rows() == [(1.0, dt.date(2024, 1, 1), "x"), (2.5, None, "y")]


def test_parquet_types_become_kinds(room):
    rows = pl.DataFrame(
        {
            "small": pl.Series([1, None], dtype=pl.Int8),
            "real": pl.Series([1.5, float("nan")], dtype=pl.Float32),
            "money": pl.Series(["1.10", "2.20"]).str.to_decimal(scale=2),
            "kind": pl.Series(["a", "b"], dtype=pl.Categorical),
            "zoned": pl.Series([moment("2024-01-01T12:00:00"), None]).dt.replace_time_zone("Europe/Berlin"),
            "took": pl.Series([dt.timedelta(seconds=90), None]),
            "none": pl.Series([None, None], dtype=pl.Null),
        }
    )
    version = room.keep(rows)
    assert version.kinds == {
        "small": "integer",
        "real": "number",
        "money": "number",
        "kind": "text",
        "zoned": "datetime",
        "took": "number",
        "none": "text",
    }
    assert room.rows(version).row(0) == (1, 1.5, 1.1, "a", moment("2024-01-01T11:00:00"), 90.0, None)
    assert room.rows(version)["real"][1] is None


def test_unchanged_data_gives_the_same_version_and_copies_nothing(room):
    room.write("a.csv", "a\n1\n")
    first = room.snapshot("a.csv")
    stored = dict(room.storage.objects)
    assert room.snapshot("a.csv") == first
    assert room.storage.objects == stored


def test_an_appended_file_adds_only_its_own_part(room):
    room.write("in/1.csv", "a,b\n1,x\n")
    first = room.snapshot("in/*.csv")
    room.write("in/2.csv", "a,b\n2,y\n")
    second = room.snapshot("in/*.csv")
    assert second.parts[0] == first.parts[0]
    assert second.digest != first.digest
    assert len(parts(room)) == 2
    assert room.rows(second).rows() == [(1, "x"), (2, "y")]
    assert room.rows(first).rows() == [(1, "x")]


def test_a_file_that_grew_or_changed_under_the_same_name_and_size_is_read_again(room):
    room.write("a.csv", "a\n1\n")
    first = room.snapshot("a.csv")
    room.write("a.csv", "a\n2\n")
    assert room.rows(room.snapshot("a.csv"))["a"].to_list() == [2]
    room.write("a.csv", "a\n2\n3\n")
    assert room.rows(room.snapshot("a.csv"))["a"].to_list() == [2, 3]
    assert room.rows(first)["a"].to_list() == [1]


def test_a_version_record_is_stored(room):
    room.write("a.csv", "a\n1\n")
    version = room.snapshot("a.csv")
    assert from_json(room.storage.get(f"datasets/set/versions/{version.digest}.json"), DatasetVersion) == version


def test_a_directory_is_read_in_order_without_hidden_files(room):
    room.write("d/b.csv", "a\n2\n")
    room.write("d/a/x.parquet", pl.DataFrame({"a": [1]}))
    room.write("d/.hidden.csv", "a\n9\n")
    room.write("d/_tmp/c.csv", "a\n9\n")
    room.write("d/README.md", "words")
    version = room.snapshot("d")
    assert [part.origin for part in version.parts] == ["d/a/x.parquet", "d/b.csv"]
    assert room.rows(version)["a"].to_list() == [1, 2]


def test_a_file_url_and_an_absolute_path_name_local_files(room):
    path = room.write("a b.csv", "a\n1\n")
    assert room.snapshot(path.as_uri()).rows == room.snapshot(str(path)).rows == 1


def test_parts_widen_to_a_kind_that_holds_them_all(room):
    room.write("1.csv", "n,zip,day,label\n1,12345,2024-01-01,1\n")
    room.write("2.csv", "label,n,zip,day\n,2.5,K1A,2024-01-02 10:00:00\n")
    version = room.snapshot("*.csv")
    assert version.kinds == {"n": "number", "zip": "text", "day": "datetime", "label": "integer"}
    assert room.rows(version).rows() == [
        (1.0, "12345", moment("2024-01-01T00:00:00"), 1),
        (2.5, "K1A", moment("2024-01-02T10:00:00"), None),
    ]


def test_a_later_file_may_bring_a_column_but_not_lack_one(room):
    room.write("1.csv", "a\n1\n")
    room.write("2.csv", "a,b\n2,x\n")
    assert room.rows(room.snapshot("*.csv")).rows() == [(1, None), (2, "x")]
    room.write("3.csv", "a\n3\n")
    with pytest.raises(SourceError, match=r"3\.csv has no column 'b', which 2\.csv has"):
        room.snapshot("*.csv")


def test_parts_that_cannot_agree_are_named(room):
    room.write("1.csv", "a\n1\n")
    room.write("2.csv", "a\n2024-01-01\n")
    with pytest.raises(SourceError, match=r"2\.csv: the column 'a' is date, but integer in 1\.csv"):
        room.snapshot("*.csv")


def test_a_query_is_a_source_with_paths_from_the_root(room):
    room.write("a.csv", "g,n\nx,1\ny,2\nx,3\n")
    version = room.snapshot(
        "WITH t AS (SELECT * FROM 'a.csv') SELECT g, sum(n)::BIGINT AS n FROM t GROUP BY g -- all\n;"
    )
    assert sorted(room.rows(version).rows()) == [("x", 4), ("y", 2)]


def test_a_query_whose_rows_come_in_another_order_is_the_same_version(room):
    room.write("a.csv", "n\n1\n2\n")
    room.write("b.csv", "n\n2\n1\n")
    one, other = room.snapshot("SELECT * FROM 'a.csv'"), room.snapshot("SELECT * FROM 'b.csv'")
    assert one.digest == other.digest
    assert (
        room.snapshot("SELECT * FROM 'a.csv' ORDER BY n").digest
        != room.snapshot("SELECT * FROM 'b.csv' ORDER BY n DESC").digest
    )


def test_a_query_with_other_rows_is_another_version(room):
    digests = {
        room.snapshot(f"SELECT * FROM (VALUES {rows}) AS t(n)").digest
        for rows in ("(1), (2)", "(1), (1), (2)", "(1), (2), (2)", "(1), (3)", "(1)", "('1'), ('2')", "(1), (NULL)")
    }
    assert len(digests) == 7


BAD = [
    ("missing.csv", None, r"there is no file missing\.csv"),
    ("*.none", None, r"nothing matches \*\.none"),
    ("empty.csv", b"", r"empty\.csv is empty"),
    ("empty.csv", b"\xef\xbb\xbf \n\n", r"empty\.csv is empty"),
    ("empty.jsonl", b"", r"empty\.jsonl is empty"),
    ("empty.parquet", b"", r"empty\.parquet is empty"),
    ("header.csv", b"a,b\n", r"header\.csv has a header but no rows"),
    ("header.csv", b"a,b", r"header\.csv has a header but no rows"),
    ("colon.csv", b"a:b:c\n1:2:3\n4:5:6\n", r"colon\.csv reads as a single column, but ':' would split"),
    ("twice.csv", b"a,b,a\n1,2,3\n", r"twice\.csv has more than one column named 'a'"),
    ("odd.csv", b"a,*\n1,2\n", r"odd\.csv has a column named '\*'"),
    ("odd.csv", b"a,^b$\n1,2\n", r"odd\.csv has a column named '\^b\$'"),
    ("odd.jsonl", b'{"a": 1, "": 2}\n', r"odd\.jsonl has a column named ''"),
    ("open.csv", b'a,b\n1,"x\n2,y\n', r"open\.csv cannot be read as delimited text"),
    ("latin.csv", b"a,b\n1,caf\xe9 au lait\n", r"latin\.csv is not UTF-8: the byte at offset 9 "),
    ("latin.csv", b"caf\xe9,b\n1,2\n", r"latin\.csv is not UTF-8: the byte at offset 3 "),
    ("latin.csv", b"a,b\n" + b"1,x\n" * 40000 + b"1,\xff\n", r"latin\.csv is not UTF-8: the byte at offset 160006 "),
    ("utf16.csv", "a,b\n1,2\n".encode("utf-16"), r"utf16\.csv is not UTF-8: the byte at offset 0 "),
    ("wide.csv", b"a,b\n1,2\n3,4\n5,6,7\n", r"wide\.csv: line 4 has 3 fields where the header has 2"),
    ("cut.parquet", b"PAR1 and then nothing much", r"cut\.parquet is no whole Parquet file"),
    ("broken.jsonl", b'{"a": 1}\n{"a": \n', r"broken\.jsonl cannot be read as JSON lines"),
    ("array.jsonl", b'[{"a": 1}]\n', r"array\.jsonl cannot be read as JSON lines"),
    ("deep.jsonl", b'{"a": [1, 2]}\n', r"deep\.jsonl: the column 'a' holds List"),
    ("table.xlsx", b"PK", r"table\.xlsx ends in \.xlsx"),
    ("noextension", b"a\n1\n", r"noextension ends in no extension"),
    ("SELECT * FROM 'nothing.csv'", None, r"the query cannot be run: .*nothing\.csv"),
    ("SELECT FROM WHERE", None, r"the query cannot be run: Parser Error"),
    ("SELECT 1 AS a WHERE false", None, r"the query has a header but no rows"),
]


@pytest.mark.parametrize(("source", "content", "message"), BAD)
def test_bad_input_is_refused_in_plain_words_and_leaves_nothing(room, source, content, message):
    if content is not None:
        room.write(source, content)
    with pytest.raises(SourceError, match=message) as caught:
        room.snapshot(source)
    assert caught.value.remedy
    assert room.storage.objects == {}
    assert list(room.scratch.iterdir()) == []


def test_a_truncated_parquet_is_refused(room):
    whole = room.write("a.parquet", pl.DataFrame({"a": range(1000)})).read_bytes()
    for cut in (len(whole) // 2, len(whole) - 1):
        room.write("a.parquet", whole[:cut])
        with pytest.raises(SourceError, match="no whole Parquet file"):
            room.snapshot("a.parquet")


def test_a_parquet_whose_pages_are_damaged_is_refused(room):
    rows = pl.DataFrame({"a": [f"value {n}" for n in range(5000)]})
    whole = bytearray(room.write("a.parquet", rows).read_bytes())
    whole[200:2000] = bytes(1800)
    room.write("a.parquet", bytes(whole))
    with pytest.raises(SourceError, match="no whole Parquet file"):
        room.snapshot("a.parquet")


def test_a_file_that_changes_while_it_is_read_is_refused_and_forgotten(room, monkeypatch):
    path = room.write("a.csv", "a\n1\n")
    upload = room.storage.upload

    def upload_late(key, part):
        path.write_text("a\n1\n2\n")
        upload(key, part)

    monkeypatch.setattr(room.storage, "upload", upload_late)
    with pytest.raises(SourceError, match=r"a\.csv changed while it was read"):
        room.snapshot("a.csv")
    assert room.storage.objects == {}


def test_a_parquet_in_normal_types_is_kept_as_it_is(room):
    path = room.write("a.parquet", pl.DataFrame({"n": [1, 2], "x": [0.5, None], "w": ["a", None]}))
    version = room.snapshot("a.parquet")
    assert room.storage.get(version.parts[0].key) == path.read_bytes()


def test_not_a_number_and_infinities_are_missing_values(room):
    version = room.keep(pl.DataFrame({"x": [1.5, float("nan"), float("inf"), float("-inf"), None]}))
    assert room.rows(version)["x"].to_list() == [1.5, None, None, None, None]


def test_a_number_too_large_to_hold_is_named(room):
    room.write("a.parquet", pl.DataFrame({"n": pl.Series([2**64 - 1], dtype=pl.UInt64)}))
    with pytest.raises(SourceError, match=r"a\.parquet holds a value that no kind can hold"):
        room.snapshot("a.parquet")


def test_a_folder_with_nothing_to_read_is_named(room):
    room.write("d/README.md", "words")
    with pytest.raises(SourceError, match="the directory d holds no file that can be read"):
        room.snapshot("d")


def test_a_file_that_may_not_be_read_is_named(room, monkeypatch):
    room.write("a.csv", "a\n1\n")
    opened = Path.open

    def refuse(path, *args, **options):
        if path.name == "a.csv":
            raise PermissionError(13, "Permission denied")
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceError, match=r"a\.csv may not be read"):
        room.snapshot("a.csv")


@pytest.mark.parametrize(
    ("source", "rows", "kinds"),
    [
        ("bike_sharing_hourly/hour.csv", 17379, {"dteday": "date", "cnt": "integer", "temp": "number"}),
        ("bank_marketing/bank-additional-full.csv", 41188, {"y": "text", "age": "integer", "euribor3m": "number"}),
        ("king_county_housing/kc_house_data.csv", 21613, {"id": "text", "date": "datetime", "floors": "number"}),
        ("nycflights13/weather.csv", 26115, {"wind_gust": "number", "time_hour": "datetime", "wind_dir": "integer"}),
        ("nycflights13/flights.parquet", 336776, {"carrier": "text", "arr_delay": "integer"}),
        ("online_retail", 1067370, {"InvoiceDate": "datetime", "CustomerID": "integer"}),
    ],
)
def test_real_sets_are_read(room, real, source, rows, kinds):
    version = room.snapshot(source, root=real)
    assert version.rows == rows == room.rows(version).height
    assert {name: version.kinds[name] for name in kinds} == kinds
