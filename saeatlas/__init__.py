"""SAE Atlas: a PostgreSQL + pgvector catalog of sparse autoencoder features."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saeatlas.api.atlas import Atlas

__version__ = "0.1.0"


def connect(url: str | None = None) -> "Atlas":
    """Open a catalog.

    Parameters
    ----------
    url : str, optional
        ``postgresql://...``. Default: ``SAEATLAS_DATABASE_URL``, else the embedded server.

    Returns
    -------
    Atlas
        To be closed, or used in a ``with`` block.

    Examples
    --------
    >>> with saeatlas.connect() as atlas:  # doctest: +SKIP
    ...     atlas.query("features near 12:4821 limit 10")
    """
    from saeatlas.api.atlas import Atlas

    return Atlas(url)
