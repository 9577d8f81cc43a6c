"""Snapshots and validations over HTTP."""

from __future__ import annotations


def test_snapshots_name_the_runs_that_took_them(client, run):
    first, second = run("succeeded"), run("succeeded", bad_rows=2)
    taken, cleaned = client.get("/api/v1/datasets/demand/versions").json()
    assert taken["version"]["digest"] == "a" * 64
    assert taken["runs"] == [second, first]
    assert (cleaned["version"]["digest"], cleaned["runs"]) == ("b" * 64, [])
    assert len(client.get("/api/v1/datasets/demand/versions?limit=1").json()) == 1
    assert client.get(f"/api/v1/datasets/demand/versions/{'b' * 64}").json()["rows"] == 98
    assert client.get(f"/api/v1/datasets/demand/versions/{'c' * 64}").status_code == 404


def test_validations_count_the_rows_in_quarantine(client, run):
    run("succeeded")
    second = run("refused", bad_rows=2)
    newest, oldest = client.get("/api/v1/validations").json()
    assert (newest["run"], newest["rows"], newest["bad_rows"]) == (second, 100, 2)
    assert newest["quarantine"] == "quarantine/demand/1.parquet"
    assert newest["broken"] == {"x is null": 2}
    assert (oldest["bad_rows"], oldest["quarantine"]) == (0, None)
