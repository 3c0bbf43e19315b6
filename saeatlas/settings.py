"""Settings, and the only place that reads the environment."""

import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What the environment may set, each as ``SAEATLAS_<NAME>``.

    libpq's own variables (``PGPASSWORD``, ``PGSSLMODE``, ``PGPASSFILE`` ...) fill in whatever
    ``database_url`` leaves out.

    Parameters
    ----------
    database_url : str or None
        Server to use, postgresql://user:password@host:port/database. None: the embedded server.
    data_dir : Path
        Folder of the embedded server's data. Default: the user's data folder.
    """

    database_url: str | None = field(repr=False)  # it may hold a password
    data_dir: Path


def load() -> Settings:
    """Read the environment.

    Returns
    -------
    Settings
    """
    folder = os.environ.get("SAEATLAS_DATA_DIR")
    return Settings(
        os.environ.get("SAEATLAS_DATABASE_URL") or None,
        Path(folder) if folder else _data_folder(),
    )


def _data_folder() -> Path:
    import platformdirs

    return platformdirs.user_data_path("saeatlas", appauthor=False)
