"""Settings: the file, its environments, what overrides it, and what is said of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.errors import SettingsError
from loopwright.settings import Settings, load_settings

FILE = """
port = 9000

[env.prod]
port = 9100
state = "postgresql://loopwright@db/loopwright"
storage = "s3://models/loopwright"
"""


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"LOOPWRIGHT_{name.upper()}", raising=False)
    monkeypatch.delenv("LOOPWRIGHT_ENV", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "loopwright.toml").write_text(FILE)
    return tmp_path


def test_every_setting_has_a_default_and_a_sentence() -> None:
    assert Settings()
    assert all(field.description and field.description.endswith(".") for field in Settings.model_fields.values())


def test_without_a_file_everything_is_below_the_projects_folder(tmp_path: Path) -> None:
    settings = load_settings(tmp_path)
    assert settings.state_url(tmp_path) == f"sqlite:///{tmp_path}/.loopwright/state.db"
    assert settings.storage_url(tmp_path) == f"{tmp_path}/.loopwright/store"


def test_an_environment_stands_on_top_of_the_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings(root).port == 9000
    prod = load_settings(root, "prod")
    assert (prod.port, prod.storage_url(root)) == (9100, "s3://models/loopwright")
    monkeypatch.setenv("LOOPWRIGHT_ENV", "prod")
    assert load_settings(root).port == 9100


def test_variables_override_the_file_and_the_command_line_both(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWRIGHT_PORT", "9300")
    assert load_settings(root, "prod").port == 9300
    assert load_settings(root, "prod", {"port": 9400}).port == 9400


@pytest.mark.parametrize(
    ("text", "words", "remedy"),
    [
        ("prot = 1", "'prot'", "the settings are"),
        ("port = 'high'", "'port' is 'high'", "loopwright.toml"),
        ("port = 70000", "70000", "loopwright.toml"),
        ("port = ", "cannot be read", "TOML"),
        ("compute = 'mars'", "'compute' is 'mars'", "loopwright.toml"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value(tmp_path: Path, text: str, words: str, remedy: str) -> None:
    (tmp_path / "loopwright.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(tmp_path)
    assert words in caught.value.message
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "text", ["endpoint_tokens = 't0p-secret'", "endpoint_tokens = {a = ['t0p-secret']}", "token = ['t0p-secret']"]
)
def test_a_wrong_secret_is_named_without_its_value(tmp_path: Path, text: str) -> None:
    (tmp_path / "loopwright.toml").write_text(text)
    with pytest.raises(SettingsError, match=r"is \*\*\*") as raised:
        load_settings(tmp_path)
    assert "t0p-secret" not in f"{raised.value} {raised.value.remedy}"


def test_an_unknown_environment_says_which_there_are(root: Path) -> None:
    with pytest.raises(SettingsError, match="no environment 'stage'") as caught:
        load_settings(root, "stage")
    assert "dev, prod" in caught.value.remedy


def test_a_variable_of_several_values_that_is_no_json_says_how_to_write_it(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPWRIGHT_NOTIFY", "slack://somewhere")
    with pytest.raises(SettingsError, match="notify") as refused:
        load_settings(root)
    assert "JSON" in refused.value.remedy
    monkeypatch.setenv("LOOPWRIGHT_NOTIFY", '["slack://somewhere"]')
    assert load_settings(root).notify == ("slack://somewhere",)


def test_destinations_have_names_given_or_made(root: Path) -> None:
    listed = load_settings(root, overrides={"notify": ["slack://a/b/c", "mailto://me"]})
    assert listed.destinations == {"slack-1": ("slack://a/b/c",), "mailto-2": ("mailto://me",)}
    named = load_settings(root, overrides={"notify": {"oncall": "slack://a", "team": ["slack://b", "mailto://c"]}})
    assert named.destinations == {"oncall": ("slack://a",), "team": ("slack://b", "mailto://c")}
    assert load_settings(root).destinations == {}
