"""Models, versions, cards and health over HTTP."""

from __future__ import annotations


def test_nothing_is_known_at_first(client):
    assert client.get("/api/v1/models").json() == []
    answer = client.get("/api/v1/models/demand")
    assert answer.status_code == 404
    assert answer.json()["remedy"] == "there are: none"


def test_a_model_that_is_only_declared_is_known(client, declared):
    (model,) = client.get("/api/v1/models").json()
    assert model["name"] == "demand"
    assert model["file"] == "demand.py"
    assert model["declaration"]["target"] == "sold"
    assert (model["versions"], model["aliases"], model["rollout"], model["last_run"]) == (0, {}, None, None)


def test_a_model_that_no_file_declares_any_more_is_known_by_what_it_left(client, release, run):
    release("first")
    release("second")
    run("succeeded")
    model = client.get("/api/v1/models/demand").json()
    assert (model["file"], model["declaration"]) == (None, None)
    assert model["versions"] == 2
    assert model["aliases"] == {"champion": 1, "challenger": 2}
    assert model["rollout"]["id"] == "rollout-second"
    assert model["last_run"]["status"] == "succeeded"


def test_versions_come_newest_first_and_in_pages(client, release):
    for name in ("first", "second", "third"):
        release(name)
    page = client.get("/api/v1/models/demand/versions?limit=1&offset=1").json()
    assert ([one["number"] for one in page["items"]], page["total"]) == ([2], 3)
    assert client.get("/api/v1/models/demand/versions/3").json()["id"] == "version-third"
    missing = client.get("/api/v1/models/demand/versions/9")
    assert missing.status_code == 404
    assert missing.json()["remedy"] == "it has: 3, 2, 1"


def test_figures_that_are_no_number_do_not_break_the_answer(client, client_of, release):
    release("first", metrics={"rmse": 1.5, "r2": float("nan"), "mape": float("inf")})
    assert client_of(client.app).get("/api/v1/models/demand/versions/1").json()["metrics"] == {
        "rmse": 1.5,
        "r2": None,
        "mape": None,
    }


def test_the_card_is_markdown(client, release):
    release("first")
    card = client.get("/api/v1/models/demand/versions/1/card")
    assert card.text == "# first\n"
    assert card.headers["content-type"].startswith("text/markdown")


def test_the_health_report_is_a_record_and_a_page(client, release, run, declared):
    release("first")
    run("failed")
    report = client.get("/api/v1/models/demand/health?days=30").json()
    assert (report["champion"], report["psi_limit"]) == (1, 0.3)
    assert [one["status"] for one in report["runs"]] == ["failed"]
    page = client.get("/api/v1/models/demand/health.html")
    assert page.headers["content-type"].startswith("text/html")
    assert "demand" in page.text
    assert client.get("/api/v1/models/nobody/health").status_code == 404
