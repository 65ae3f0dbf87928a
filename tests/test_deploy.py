"""What deploy/ and docs/scaling.md name is what there is."""

import re
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from pydantic import SecretStr

from kameo_async.cli import cli
from kameo_async.settings import KameoSettings, ServiceSettings
from tests.settings_table import README

ROOT = README.parent
TEXTS = [*sorted((ROOT / "deploy").iterdir()), ROOT / "docs" / "scaling.md"]


def settings() -> set[str]:
    """The names of all settings, with those of files for secrets."""
    names = set()
    for model in (KameoSettings, ServiceSettings):
        for name, field in model.model_fields.items():
            setting = str(field.validation_alias or f"{model.model_config['env_prefix']}{name}".upper())
            names |= (
                {setting, f"{setting}_FILE"} if SecretStr.__name__ in str(field.annotation) else {setting}
            )
    return names


@pytest.mark.parametrize("path", TEXTS, ids=[path.name for path in TEXTS])
def test_each_setting_that_is_named_exists(path: Path) -> None:
    """A setting that was renamed would be silently left at its default."""
    named = set(re.findall(r"\bKAMEO_[A-Z_]+[A-Z]\b(?!_)", path.read_text()))
    assert named - settings() == set()


def test_the_containers_run_commands_that_exist() -> None:
    """With all secrets declared that they take, and only those."""
    found = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    commands = [service["command"][0] for service in found["services"].values() if "command" in service]
    assert commands == ["serve", "worker"]
    assert set(commands) <= set(cli.commands)
    taken = {secret for service in found["services"].values() for secret in service.get("secrets", ())}
    assert taken == set(found["secrets"])


@pytest.mark.parametrize("unit", sorted((ROOT / "deploy").glob("*.service")), ids=lambda unit: unit.name)
def test_each_unit_hands_over_the_credentials_that_it_reads(unit: Path) -> None:
    """Each setting that names a credential's file has the line that loads it; the command exists."""
    text = unit.read_text()
    loaded = set(re.findall(r"^LoadCredential=(\w+):/etc/kameo-async/\1$", text, re.MULTILINE))
    assert loaded == set(re.findall(r"^Environment=\w+_FILE=%d/(\w+)$", text, re.MULTILINE))
    (command,) = re.findall(r"^ExecStart=/opt/kameo-async/bin/kameo-async (\w+)$", text, re.MULTILINE)
    assert command in cli.commands
