"""Settings, and the only place that reads the environment."""

from pathlib import Path

import platformdirs
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What the environment may set, each as ``SAEATLAS_<NAME>``.

    libpq's own variables (``PGPASSWORD``, ``PGSSLMODE``, ``PGPASSFILE`` ...) fill in whatever
    ``database_url`` leaves out.
    """

    model_config = SettingsConfigDict(env_prefix="SAEATLAS_")

    database_url: SecretStr | None = Field(
        default=None,
        description="Server to use, postgresql://user:password@host:port/database. "
        "Unset: the embedded server.",
    )
    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("saeatlas", appauthor=False),
        description="Folder of the embedded server's data.",
    )


def load() -> Settings:
    """Read the environment.

    Returns
    -------
    Settings
    """
    return Settings()
