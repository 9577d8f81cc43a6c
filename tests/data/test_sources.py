"""Sources beyond the local disk: buckets read by key, prefix and glob, and read again only when they change."""

import boto3
import polars as pl
import pytest
from moto.server import ThreadedMotoServer

from loopwright.data import remote
from loopwright.data.peek import peek
from loopwright.errors import SourceError


@pytest.fixture(scope="module")
def server():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def environment(server, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(environment, request):
    name = f"bucket-{abs(hash(request.node.nodeid)):x}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


def put(bucket, **objects):
    for key, body in objects.items():
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


def test_a_bucket_is_read_by_key_prefix_and_glob(room, bucket):
    put(
        bucket,
        **{
            "in/1.csv": "a\n1\n",
            "in/2.csv": "a\n2\n",
            "in/deep/3.csv": "a\n3\n",
            "in/notes.txt": "x",
            "in/_temporary/0.csv": "a\n0\n",
            "b.csv": "a\n9\n",
        },
    )
    for source, values in {
        "in/1.csv": [1],
        "in": [1, 2, 3],
        "in/": [1, 2, 3],
        "in/*.csv": [1, 2],
        "in/**/*.csv": [1, 2, 0, 3],  # a glob means what it matches
        "in/[23].csv": [2],
        "": [9, 1, 2, 3],
    }.items():
        version = room.snapshot(f"s3://{bucket}/{source}")
        assert room.rows(version)["a"].to_list() == values, source
    assert peek(f"s3://{bucket}/b.csv", room.folder) == {"a": "integer"}
    assert version.parts[0].origin == f"s3://{bucket}/b.csv"


def test_an_object_that_did_not_change_is_not_fetched_again(room, bucket, monkeypatch):
    put(bucket, **{"1.csv": "a\n1\n", "2.csv": "a\n2\n"})
    first = room.snapshot(f"s3://{bucket}")
    fetched = []
    get = remote.obstore.get
    monkeypatch.setattr(remote.obstore, "get", lambda store, path: fetched.append(path) or get(store, path))
    assert room.snapshot(f"s3://{bucket}") == first
    assert fetched == []
    put(bucket, **{"2.csv": "a\n5\n"})
    assert room.rows(room.snapshot(f"s3://{bucket}"))["a"].to_list() == [1, 5]
    assert fetched == ["2.csv"]


def test_a_remote_file_leaves_nothing_in_scratch(room, bucket):
    put(bucket, **{"1.csv": "a\n1\n"})
    room.snapshot(f"s3://{bucket}/1.csv")
    assert list(room.scratch.iterdir()) == []


@pytest.mark.parametrize(("key", "says"), [("none.csv", "nothing lies at"), ("x/*.csv", "nothing lies at")])
def test_an_empty_place_is_refused(room, bucket, key, says):
    with pytest.raises(SourceError, match=says):
        room.snapshot(f"s3://{bucket}/{key}")


def test_a_bucket_that_is_not_there_is_named(room, environment):
    with pytest.raises(SourceError, match="s3://no-such-bucket does not answer") as caught:
        room.snapshot("s3://no-such-bucket/a.csv")
    assert "credentials" in caught.value.remedy


def test_a_scheme_that_names_no_store_is_refused(room):
    with pytest.raises(SourceError, match="ftp://, which names no store"):
        room.snapshot("ftp://host/a.csv")


def test_a_bad_file_in_a_bucket_is_named_by_its_url(room, bucket):
    put(bucket, **{"1.csv": "a,a\n1,2\n"})
    with pytest.raises(SourceError, match=rf"s3://{bucket}/1\.csv has more than one column named 'a'"):
        room.snapshot(f"s3://{bucket}/1.csv")


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_a_look_at_a_large_object_fetches_little_of_it(room, bucket, monkeypatch, suffix):
    rows = pl.DataFrame({"n": range(200_000), "w": [f"some {n} words {n * n}" for n in range(200_000)]})
    path = room.folder / f"a.{suffix}"
    {"csv": rows.write_csv, "jsonl": rows.write_ndjson, "parquet": rows.write_parquet}[suffix](path)
    put(bucket, **{path.name: path.read_bytes()})
    assert path.stat().st_size > remote.HEAD
    monkeypatch.setattr(remote.obstore, "get", None)
    assert peek(f"s3://{bucket}/{path.name}", room.folder) == {"n": "integer", "w": "text"}


def test_a_look_at_a_large_object_that_is_no_parquet_says_so(room, bucket):
    put(bucket, **{"a.parquet": b"PAR1" + b"x" * remote.HEAD})
    with pytest.raises(SourceError, match="no whole Parquet file"):
        peek(f"s3://{bucket}/a.parquet", room.folder)


def test_an_object_that_is_gone_by_the_time_it_is_read_is_named(room, bucket, monkeypatch):
    put(bucket, **{"1.csv": "a\n1\n"})
    get = remote.obstore.get

    def late(store, path):
        boto3.client("s3").delete_object(Bucket=bucket, Key=path)
        return get(store, path)

    monkeypatch.setattr(remote.obstore, "get", late)
    with pytest.raises(SourceError, match=rf"s3://{bucket}/1\.csv cannot be read"):
        room.snapshot(f"s3://{bucket}/1.csv")
