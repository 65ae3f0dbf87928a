"""Settings from the environment, a `.env` file and files that hold secrets.

Two frozen models: `ServiceSettings` is read once at the start, `KameoSettings` anew when a live job
starts. Whatever is wrong becomes one `SettingsError` whose text is one line that names the setting and
never repeats a secret.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from dotenv import dotenv_values
from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from kameo_async import __version__
from kameo_async.addresses import HeaderText, Host, HttpUrl, Origin, is_database_url, is_loopback

Mode = Literal["live", "sandbox", "test"]

_SECRET_FILE_MAX_BYTES = 4096
_TEN_YEARS_SECONDS = 315_360_000


class SettingsError(Exception):
    """One line for people: which setting is wrong, and why."""


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads a secret from the file that `<NAME>_FILE` names (the way of Docker and systemd)."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # `__call__` does it for all fields at once

    def __call__(self) -> dict[str, Any]:
        prefix = self.config.get("env_prefix", "")
        found: dict[str, Any] = {}
        for field_name, field in self.settings_cls.model_fields.items():
            if "SecretStr" not in str(field.annotation):
                continue
            name = f"{prefix}{field_name}".upper()
            path = self._environment().get(f"{name}_FILE")
            if not path:
                continue
            if self._environment().get(name):
                raise SettingsError(f"{name}: set either {name} or {name}_FILE, not both")
            found[field_name] = _read_secret(f"{name}_FILE", Path(path))
        return found

    def _environment(self) -> Mapping[str, str | None]:
        return {**_dotenv(), **os.environ}


def _dotenv() -> dict[str, str | None]:
    try:
        return dict(dotenv_values(".env"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env: cannot be read ({error.__class__.__name__})") from error


def _read_secret(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            text = file.read(_SECRET_FILE_MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"{name}: {path} cannot be read ({error.strerror})") from error
    if len(text) > _SECRET_FILE_MAX_BYTES:
        raise SettingsError(f"{name}: {path} is larger than {_SECRET_FILE_MAX_BYTES} bytes")
    try:
        return text.decode().strip("\r\n")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{name}: {path} is not UTF-8 text") from error


def _words(value: object) -> object:
    return (
        tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value
    )


Seconds = Annotated[float, Field(le=_TEN_YEARS_SECONDS)]  # beyond, dates overflow
Words = BeforeValidator(_words)


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(
        frozen=True,
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, dotenv_settings, _SecretFiles(settings_cls)


class KameoSettings(_Settings):
    """How to reach Kameo, and as whom."""

    model_config = SettingsConfigDict(env_prefix="KAMEO_")

    email: str | None = Field(None, description="the e-mail address of the account")
    password: SecretStr | None = Field(None, description="its password")
    totp_secret: SecretStr | None = Field(None, description="the secret of its authenticator app, Base32")
    base_url: HttpUrl = Field("https://www.kameo.se", description="the site")
    api_url: HttpUrl = Field("https://api.kameo.se/v1", description="the API")
    user_agent: HeaderText = Field(f"kameo-async/{__version__}", description="what the client calls itself")
    connect_timeout: float = Field(5, gt=0, le=300, description="seconds to connect")
    read_timeout: float = Field(10, gt=0, le=300, description="seconds without a byte of an answer")
    max_redirects: int = Field(5, ge=0, le=20, description="redirects followed in a row")
    requests_per_minute: int = Field(
        45, ge=1, le=6000, description="the account's 60 are shared with the lender's own browser"
    )
    max_concurrency: int = Field(6, ge=1, le=64, description="pages asked for at the same time")


class ServiceSettings(_Settings):
    """How the service itself runs."""

    model_config = SettingsConfigDict(env_prefix="KAMEO_ASYNC_", populate_by_name=True)

    test_mode: bool = Field(False, validation_alias="TEST_MODE", description="two fixed loans, no network")
    environment: Literal["production", "development"] = Field(
        "production", validation_alias="ENVIRONMENT", description="`development` lets any origin read"
    )
    host: str = Field("127.0.0.1", min_length=1, description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    token: SecretStr | None = Field(
        None, description="the token that clients must send: visible ASCII, 8 characters or more"
    )
    cors_origins: Annotated[tuple[Origin, ...], NoDecode, Words] = Field(
        ("http://localhost:8000", "http://127.0.0.1:8000"),
        description="origins from which browsers may call, with commas",
    )
    allowed_hosts: Annotated[tuple[Host, ...], NoDecode, Words] = Field(
        (), description="names under which the service is reached, beside loopback, with commas"
    )
    job_ttl_seconds: Seconds = Field(3600, gt=0, description="how long a finished job is kept")
    reap_interval_seconds: Seconds = Field(30, gt=0, description="how often finished jobs are looked through")
    job_timeout_seconds: Seconds = Field(1200, gt=0, description="how long a job may run")
    max_running_jobs: int = Field(8, ge=1, description="jobs that run at once")
    max_pending_jobs: int = Field(1000, ge=0, description="jobs that wait for a free slot")
    max_kept_bytes: int = Field(
        268_435_456, ge=0, description="bytes of finished jobs kept; past it the oldest expire early"
    )
    max_websockets: int = Field(10_000, ge=0, description="websockets open at once")
    state_file: Path | None = Field(
        None,
        description="where jobs are kept over a restart; `none`: nowhere; unset: a file for each mode in "
        "`$XDG_STATE_HOME/kameo-async` or `~/.local/state/kameo-async`",
    )
    database_url: SecretStr | None = Field(
        None,
        description="`postgresql://…`: all `serve` and `worker` processes with this address are one service; "
        "unset: jobs run in this process",
    )
    shutdown_grace_seconds: Seconds = Field(10, ge=0, description="what running jobs get at a shutdown")
    log_format: Literal["console", "json"] | None = Field(
        None, description="`console` or `json`; unset: `console` on a terminal, else `json`"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the least level logged"
    )

    @field_validator("log_level", "log_format", "environment", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("token")
    @classmethod
    def _strong_token(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[\x21-\x7e]{8,}", value.get_secret_value()):
            raise ValueError("must be visible ASCII, 8 characters or more")
        return value

    @field_validator("state_file")
    @classmethod
    def _with_a_name(cls, value: Path | None) -> Path | None:
        if value is not None and not value.name:
            raise ValueError("names no file")
        return value

    @field_validator("database_url")
    @classmethod
    def _of_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_database_url(value.get_secret_value()):
            raise ValueError("must be an address such as postgresql://user:password@host:5432/name")
        return value

    @model_validator(mode="after")
    def _closed_beyond_loopback(self) -> "ServiceSettings":
        if self.token is None and not is_loopback(self.host):
            raise SettingsError(
                f"KAMEO_ASYNC_TOKEN: must be set, because KAMEO_ASYNC_HOST={self.host} lets other machines in"
            )
        return self


S = TypeVar("S", bound=_Settings)


def load(model: type[S], **overrides: Any) -> S:
    """Reads the settings of `model`; `overrides` win over the environment. Raises SettingsError."""
    try:
        return model(**overrides)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise SettingsError(f"{_env_name(model, first['loc'])}: {_reason(first['msg'])}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(".env: is not UTF-8 text") from error


def _env_name(model: type[_Settings], loc: tuple[int | str, ...]) -> str:
    name = str(loc[0]) if loc else ""
    field = model.model_fields.get(name)
    if field is None:
        return name
    return str(field.validation_alias or f"{model.model_config['env_prefix']}{name}".upper())


def _reason(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
