"""Every setting, in one class with a group per concern.

Values come, strongest first, from the environment (``AMENDS_PORT``,
``AMENDS_MODEL__NAME`` …), from ``amends.toml`` in the working directory, from the defaults
below. ``docs/operating.md`` lists them; a test compares the two.
"""

from __future__ import annotations

import os
import secrets
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

ROOT = Path(__file__).resolve().parent.parent
"""The checkout (or installation) that holds the demo shop."""

NO_ADAPTER = "none"
"""As ``model.adapter``: the model alone, whatever is promoted."""


class Group(BaseModel):
    """Base of the groups: unknown settings are refused, rejected values never printed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class ModelSettings(Group):
    """The language model."""

    name: str = "qwen2.5-coder-0.5b-instruct"
    """Name in the catalogue, or the served name at ``url``."""
    url: str = ""
    """Base address of any OpenAI-compatible server (``http://host:8000/v1``). Empty: the
    catalogue's model is started here."""
    api_key: SecretStr = SecretStr("none")
    """Key for ``url``."""
    adapter: str = ""
    """Name of the LoRA adapter to serve (``amends finetune list``), or ``none`` for the model
    alone; with ``url``, of one that its server has loaded. Empty: the promoted one, else the one
    that ships for the model; with ``url`` none."""
    understands: bool = False
    """Let the tuned model read messages, too: one more call a turn, for machines where that is
    a fraction of a second."""
    port: int = 8181
    """Where vLLM listens when it is started here."""
    first_token_seconds: float = Field(20.0, gt=0)
    """Soft limit: the shopper is told and gets the passages when nothing came by then."""
    total_seconds: float = Field(60.0, gt=0)
    """Hard limit of one answer."""
    max_tokens: int = Field(160, gt=0)
    """Longest answer, in tokens."""
    kv_cache_gib: float = Field(1.0, gt=0)
    """Memory for vLLM's key-value cache on a CPU, GiB."""
    eight_bit: bool = True
    """Serve the weights in 8 bits on a CPU: prompts are read 1.3 times as fast, answers as good."""
    speculation: bool = True
    """Prompt-lookup speculation: answers that quote their sources come faster."""


class LogSettings(Group):
    """The conversation log."""

    url: str = ""
    """SQLAlchemy address, for example ``postgresql+psycopg://user@host/db``. Empty: SQLite
    in the data folder."""


class RetrievalSettings(Group):
    """Documents and their index."""

    chroma_url: str = ""
    """Address of a Chroma server (``http://host:8000``). Empty: embedded in this process."""
    embeddings_url: str = ""
    """An OpenAI-compatible embedding endpoint. Empty: multilingual-e5-small here."""
    embeddings_model: str = ""
    """Model name at ``embeddings_url``."""
    passages: int = Field(4, ge=1, le=10)
    """Passages given to an answer."""
    answerable: float = Field(0.5, ge=0, le=1)
    """Below this probability the assistant says it does not know and offers a person."""


class ShopSettings(Group):
    """The shop."""

    folder: Path = ROOT / "demo"
    """Documents, products and rules of the shop."""
    token_secret: SecretStr = SecretStr("demo-shop-secret-change-me-0123456789")
    """Secret shared with the shop's site; it signs who the customer is (HS256)."""
    origins: tuple[str, ...] = ()
    """Sites that may embed the widget, besides this server itself."""
    day: date | None = None
    """The day the demo shop lives on, from noon UTC; for evaluations of a running server.
    Empty: today."""


class DeskSettings(Group):
    """The staff desk."""

    users: dict[str, SecretStr] = Field(
        default_factory=lambda: {"dana": SecretStr("demo"), "li": SecretStr("demo")}
    )
    """Staff names and passwords."""


class RetentionSettings(Group):
    """Offers."""

    monthly_budget: float = Field(500.0, ge=0)
    """Most the offers of one calendar month may cost, in the shop's currency."""
    threshold: float = Field(0.4, ge=0, le=1)
    """Churn probability from which an offer is considered."""
    holdout: float = Field(0.1, ge=0, lt=1)
    """Share of customers who get no offer, so that its effect can be measured."""


class Settings(BaseSettings):
    """Everything an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix="AMENDS_",
        env_nested_delimiter="__",
        toml_file="amends.toml",
        extra="forbid",
        hide_input_in_errors=True,
    )

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(8080, ge=1, le=65535)
    """Port of the shop page, the widget, the desk and the API."""
    data: Path = Path(".amends")
    """Folder for models, index, log and the demo store."""
    demo: bool = True
    """Serve the demo shop page and the mailbox. Off, default secrets are refused."""
    secret: SecretStr = SecretStr("")
    """Signs conversation keys and desk sign-ins. Empty: one is made and kept in the data
    folder."""
    idle_minutes: float = Field(30.0, gt=0)
    """A conversation without a word for this long is closed."""
    model: ModelSettings = ModelSettings()
    log: LogSettings = LogSettings()
    retrieval: RetrievalSettings = RetrievalSettings()
    shop: ShopSettings = ShopSettings()
    desk: DeskSettings = DeskSettings()
    retention: RetentionSettings = RetentionSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over ``amends.toml`` over defaults."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def log_url(self) -> str:
        """Where the log is, with the default filled in."""
        return self.log.url or f"sqlite+aiosqlite:///{(self.data / 'log.db').absolute()}"

    def signing_secret(self) -> str:
        """The secret for conversation keys, made once and kept with owner-only rights."""
        if given := self.secret.get_secret_value():
            return given
        path = self.data / "secret"
        self.data.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return path.read_text().strip()
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        return path.read_text().strip()


class SettingsInvalid(Exception):
    """Settings that cannot be used; the message names each one and what is wrong."""


def load() -> Settings:
    """Read the settings.

    Raises:
        SettingsInvalid: A value is missing, unknown or out of range, or a default secret
            would be used outside the demo. The message never holds the rejected value.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        lines = [f"  {'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        raise SettingsInvalid("invalid settings:\n" + "\n".join(lines)) from None
    if not settings.demo:
        defaults = Settings.model_construct()
        if settings.shop.token_secret == defaults.shop.token_secret:
            raise SettingsInvalid("shop.token_secret: set your own (AMENDS_SHOP__TOKEN_SECRET)")
        if any(password.get_secret_value() == "demo" for password in settings.desk.users.values()):
            raise SettingsInvalid("desk.users: set your own names and passwords (AMENDS_DESK__USERS)")
    return settings
