"""The settings table of the README, made from the models that read the settings.

`python -m tests.settings_table` writes it between its two markers.
"""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from kameo_async.settings import KameoSettings, ServiceSettings

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- settings -->\n", "<!-- end of settings -->\n"


def table() -> str:
    """One row for each setting: its name, its default, what it is."""
    rows = ["| setting | default | what it is |", "|---|---|---|"]
    for model in (KameoSettings, ServiceSettings):
        prefix = model.model_config["env_prefix"]
        for name, field in model.model_fields.items():
            setting = field.validation_alias or f"{prefix}{name}".upper()
            rows.append(f"| `{setting}` | {_default(field.default)} | {field.description} |")
    return "\n".join(rows) + "\n"


def _default(value: Any) -> str:
    if value is None or isinstance(value, SecretStr):
        return "unset"
    if isinstance(value, tuple):
        value = ",".join(value)
    if isinstance(value, bool):
        value = int(value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{text}`" if text else "empty"


def written() -> str:
    """The table as the README has it."""
    return README.read_text().partition(BEGIN)[2].partition(END)[0]


if __name__ == "__main__":
    head, _, rest = README.read_text().partition(BEGIN)
    README.write_text(head + BEGIN + table() + END + rest.partition(END)[2])
