"""`loopwright up` as a real process: it comes up, is stopped, is killed, loses a door, and meets itself."""

from __future__ import annotations

import os
import signal
import socket
import time
import zipfile
from pathlib import Path

import grpc
import httpx
import polars as pl
import pytest
import trustme

from loopwright.bootstrap.steps import STAGE_NAMES
from loopwright.core.tls import trusting


def served(platform):
    """The answer to one request, once the first model has come."""

    def ask():
        answer = httpx.post(
            f"{platform.addresses['inference']}/endpoints/demand/invocations",
            json={"instances": [{"id": 1, "shop": "north", "price": 2.0}]},
            timeout=10,
        )
        return answer if answer.status_code == 200 else None

    return platform.until(ask)


def run_of(platform, status):
    found = platform.get("/api/v1/runs")["items"]
    return next((run for run in found if run["status"] == status), None)


def gone(pid):
    """Whether a process has ended, be it that nobody has asked how yet."""
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True


def wait_for(look, seconds=60):
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_was_answered_is_kept_when_it_is_stopped(learned, up):
    platform = up(learned)
    assert platform.get("/readyz") == {"status": "ready"}
    for _ in range(20):
        served(platform)
    (endpoint,) = [one for one in platform.get("/api/v1/endpoints") if one["name"] == "demand"]
    assert [one["in_step"] for one in endpoint["observed"]] == [True]
    doors = platform.doors()
    assert len(doors) == 2
    assert platform.end(signal.SIGINT) == 0, platform.printed
    assert all(gone(pid) for pid in doors)
    store = learned / ".loopwright" / "store"
    segments = list((store / "predictions" / "demand").rglob("*.parquet"))
    assert pl.read_parquet(segments).height == 20
    assert not list((store / "status").glob("*.json")), "a server that has ended says no longer what it serves"


def test_a_run_under_way_waits_in_the_queue_and_goes_on_after_the_next_start(project, up):
    (project / "wait").touch()
    platform = up(project)
    platform.until(lambda: training(platform))
    assert platform.end(signal.SIGTERM) == 0, platform.printed
    assert any("waits for the next start" in said for said in platform.said), platform.printed
    again = up(project)
    again.until(lambda: training(again))
    (run,) = again.get("/api/v1/runs")["items"]
    assert run["fence"] == 2
    assert again.end() == 0


def test_killed_outright_its_doors_close_and_the_next_start_takes_up_the_run(project, up):
    (project / "wait").touch()
    platform = up(project)
    platform.until(lambda: training(platform))
    doors = platform.doors()
    platform.process.kill()
    platform.process.wait()
    again = up(project)
    assert again.addresses
    wait_for(lambda: all(gone(pid) for pid in doors))
    (project / "wait").unlink()
    run = again.until(lambda: run_of(again, "succeeded"))
    assert run["fence"] == 2
    stages = again.get(f"/api/v1/runs/{run['id']}")["stages"]
    assert [stage["status"] for stage in stages] == ["succeeded"] * len(STAGE_NAMES)
    assert again.end() == 0


def test_the_same_ports_are_waited_for_after_a_kill(project, up):
    platform = up(project)
    before = platform.addresses
    port, inference_port = (int(before[name].rpartition(":")[2]) for name in ("control", "inference"))
    platform.process.kill()
    platform.process.wait()
    again = up(project, port=port, inference_port=inference_port)
    assert again.addresses == before
    assert again.end() == 0


def test_a_door_that_dies_is_opened_again(project, up):
    platform = up(project)
    before = platform.get("/version")
    control = next(pid for pid in platform.doors() if b"api.server" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(control, signal.SIGKILL)
    platform.until(lambda: any("control API was ended by SIGKILL" in said for said in platform.said))

    def answers_again():
        try:
            return platform.get("/version") == before
        except httpx.HTTPError:
            return False

    platform.until(answers_again)
    assert control not in platform.doors()
    assert platform.end() == 0


def test_its_inference_server_may_speak_tls_and_grpc_and_ask_for_tokens(project, up):
    leaf = trustme.CA().issue_cert("127.0.0.1")
    leaf.cert_chain_pems[0].write_to_path(project / "server.pem")
    leaf.private_key_pem.write_to_path(project / "server.key")
    with (project / "loopwright.toml").open("a") as settings:
        settings.write('tls_certificate = "server.pem"\ntls_key = "server.key"\ngrpc_port = 0\n')
        settings.write('[endpoint_tokens]\ndemand = "for-demand"\n')
    platform = up(project)
    inference, at_grpc = platform.addresses["inference"], platform.addresses["grpc"]
    assert inference.startswith("https://")
    trusted = trusting(project / "server.pem")
    path = f"{inference}/v2/models/demand"
    shown = [{"authorization": f"Bearer {token}"} for token in ("wrong", "for-demand")]
    asked = [httpx.get(path, headers=headers, verify=trusted) for headers in shown]
    assert [one.status_code for one in asked] == [401, 404]
    credentials = grpc.ssl_channel_credentials((project / "server.pem").read_bytes())
    with grpc.secure_channel(at_grpc, credentials) as channel:
        assert channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(b"", timeout=20) == b"\x08\x01"
    assert platform.end() == 0


def test_a_certificate_that_is_none_is_told_and_nothing_stays_behind(project, up):
    with (project / "loopwright.toml").open("a") as settings:
        settings.write('tls_certificate = "server.pem"\ntls_key = "server.key"\n')
    platform = up(project)
    assert platform.process.wait(timeout=60) == 1
    assert "server.pem cannot be read" in platform.printed
    assert "Traceback" not in platform.printed
    assert (project / ".loopwright" / "up.lock").read_text() == ""


def test_one_project_is_up_once(project, up):
    first = up(project)
    assert first.addresses
    second = up(project)
    assert second.process.wait(timeout=60) == 1
    assert f"up already (process {first.process.pid})" in second.printed
    assert "Traceback" not in second.printed
    assert first.get("/healthz") == {"status": "alive"}
    assert first.end() == 0


@pytest.mark.parametrize("setting", ["port", "inference_port"])
def test_a_taken_port_is_told_and_nothing_stays_behind(project, up, setting):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        platform = up(project, **{setting: port})
        assert platform.process.wait(timeout=60) == 1
    assert f"port {port} on 127.0.0.1 cannot be had" in platform.printed
    assert f"`{setting}` in loopwright.toml" in platform.printed
    assert "Traceback" not in platform.printed
    assert (project / ".loopwright" / "up.lock").read_text() == ""
    assert up(project).addresses, "the lock was given back"


def test_a_new_file_is_found_a_broken_one_told_once_and_the_next_run_uses_the_mended_code(learned, up):
    (learned / "wait").touch()
    platform = up(learned)
    whole = (learned / "demand.py").read_text()
    (learned / "second.py").write_text(whole.replace('"demand"', '"second"').replace("NewData()", ""))
    platform.until(lambda: names(platform) == ["demand", "second"])
    (learned / "demand.py").write_text(whole + "\nmodel.nonsense()\n")
    platform.until(lambda: [said for said in platform.said if "nonsense" in said])
    run = platform.post("/api/v1/runs", {"model": "demand"})["id"]
    failed = platform.until(lambda: run_of(platform, "failed"))
    assert failed["id"] == run
    assert "nonsense" in failed["fault"]["message"]
    assert names(platform) == ["demand", "second"], "the model of the broken file is watched as it was"
    assert len([said for said in platform.said if said.startswith("models: ")]) == 1, platform.said
    (learned / "demand.py").write_text(whole + "\n# mended\n")
    platform.post(f"/api/v1/runs/{run}/retry", {})
    code = platform.until(lambda: result(platform, run, "code_version"))
    with zipfile.ZipFile(learned / ".loopwright" / "store" / code["key"]) as archive:
        assert archive.read("demand.py").endswith(b"# mended\n")
    assert platform.end() == 0


def names(platform):
    return [model["name"] for model in platform.get("/api/v1/models") if model["file"]]


def result(platform, run, name):
    stages = platform.get(f"/api/v1/runs/{run}")["stages"]
    return next((stage["result"] for stage in stages if stage["name"] == name), None)


def training(platform):
    run = run_of(platform, "running")
    if run is None:
        return False
    stages = platform.get(f"/api/v1/runs/{run['id']}")["stages"]
    return any(stage["name"] == "candidate" and stage["status"] == "running" for stage in stages)
