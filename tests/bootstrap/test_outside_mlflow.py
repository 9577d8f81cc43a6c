"""An MLflow client that knows nothing but the platform's address has the champion, and the endpoint's own numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import httpx
import pytest


def test_an_outside_mlflow_client_loads_the_champion_and_predicts_what_the_endpoint_answers(learned, up, tmp_path):
    (learned / "loopwright.toml").write_text(
        (learned / "loopwright.toml").read_text().replace('tracking = "off"', 'tracking = ""')
    )
    platform = up(learned)
    rows = {"id": [1, 2, 3], "shop": ["north", "south", "south"], "price": [1.5, 2.5, 4.75]}
    names = list(rows)
    instances = [dict(zip(names, row, strict=True)) for row in zip(*rows.values(), strict=True)]

    def answered():
        url = f"{platform.addresses['inference']}/endpoints/demand/invocations"
        answer = httpx.post(url, json={"instances": instances}, timeout=10)
        return answer.json()["predictions"] if answer.status_code == 200 else None

    expected = platform.until(answered)
    program = f"""
        import sys
        def watch(event, arguments):
            if event == "open" and str(arguments[0]).startswith("{learned}/.loopwright"):
                raise PermissionError(f"the client reached into the platform's home: {{arguments[0]}}")
        sys.addaudithook(watch)
        import mlflow, pandas as pd
        champion = mlflow.pyfunc.load_model("models:/demand@champion")
        print(mlflow.MlflowClient().get_model_version_by_alias("demand", "champion").source)
        print([float(value) for value in champion.predict(pd.DataFrame({rows}))])
    """

    mlflow = f"{platform.addresses['control']}/mlflow"
    alias = {"name": "demand", "alias": "champion"}
    asked = f"{mlflow}/api/2.0/mlflow/registered-models/alias"
    platform.until(lambda: httpx.get(asked, params=alias, timeout=30).status_code == 200)
    client = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MLFLOW_TRACKING_URI": mlflow},
        capture_output=True,
        text=True,
    )
    assert client.returncode == 0, client.stderr
    source, predictions = client.stdout.splitlines()
    assert source.startswith("mlflow-artifacts:/")
    assert json.loads(predictions) == pytest.approx(expected)
    assert platform.end() == 0
