"""SAE Atlas: a PostgreSQL + pgvector catalog of sparse autoencoder features."""

__version__ = "0.1.0"
