"""MLflow's server inside another application, over real HTTP: clients, pages, artifacts and what is kept out."""

from __future__ import annotations

import re

import httpx
import pytest


def test_the_page_and_what_it_loads_are_served_below_the_prefix(server):
    page = httpx.get(f"{server}/mlflow/", follow_redirects=True)
    assert page.status_code == 200
    assets = re.findall(r'(?:src|href)="([^"]+\.(?:js|css))"', page.text)
    assert assets
    for asset in assets:
        assert httpx.get(httpx.URL(str(page.url)).join(asset)).status_code == 200


def test_the_application_around_it_answers_as_before(server):
    assert httpx.get(f"{server}/ours").json() == {"ours": True}


def test_processes_started_beside_it_are_not_told_of_its_database(server):
    assert "MLFLOW_TRACKING_URI" not in httpx.get(f"{server}/environment").json()


def test_its_health_is_asked_below_the_prefix(server):
    assert httpx.get(f"{server}/mlflow/health").text == "OK"


@pytest.mark.parametrize("path", ["api/2.0/mlflow/experiments/create", "ajax-api/3.0/jobs/search"])
def test_a_page_of_another_site_cannot_change_anything(server, path):
    answer = httpx.post(f"{server}/mlflow/{path}", json={"name": "x"}, headers={"Origin": "https://elsewhere.example"})
    assert answer.status_code == 403


def test_a_foreign_host_name_is_refused(server):
    answer = httpx.get(f"{server}/mlflow/api/2.0/mlflow/experiments/search", headers={"Host": "elsewhere.example"})
    assert answer.status_code == 403


def test_the_assistant_is_not_offered(server):
    assert httpx.get(f"{server}/mlflow/ajax-api/3.0/mlflow/assistant/config").status_code == 404
    answer = httpx.post(f"{server}/mlflow/ajax-api/3.0/mlflow/assistant/message", json={"message": "hello"})
    assert answer.status_code == 404
