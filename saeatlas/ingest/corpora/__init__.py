"""Read documents from files and from the Hugging Face hub, one at a time.

===============================  ====================================================
source                           one document is
===============================  ====================================================
x.jsonl, .ndjson, .json          a line, or an item of one list; also as .gz, .zst, .xz, .bz2
x.parquet                        a row
a folder or a glob of those      a line or row of its files, in the order of their paths
any other folder or glob         a text file; its first sub-folder is its subset
owner/name, owner/name@revision  a row of a hub data set, streamed
===============================  ====================================================
"""

from saeatlas.ingest.corpora.corpus import Corpus, OnBadDocument, open_corpus
from saeatlas.ingest.corpora.document import Document, Skipped

__all__ = ["Corpus", "Document", "OnBadDocument", "Skipped", "open_corpus"]
