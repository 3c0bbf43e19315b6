"""Ingestion from Python of labels, words and the tokens that features promote."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.progress import Report, silent
from saeatlas.schema.rows import saes


@dataclass(frozen=True)
class IngestWords:
    """Ingestion of labels, words and tokens: a part of `saeatlas.api.ingest.Ingest`.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    """

    engine: sa.Engine

    @errors.extras()
    def labels(
        self,
        *,
        sae: int | str | None = None,
        neuronpedia: Sequence[str | Path] = (),
        neuronpedia_id: str | None = None,
        delphi: str | Path | None = None,
        hookpoint: str | None = None,
        csv: str | Path | None = None,
        progress: Report = silent,
    ) -> list[int]:
        """Ingest labels of features: rows of ``label``.

        For each feature, source and method in the files, their labels replace those in the
        catalog.

        Parameters
        ----------
        sae : int or str, optional
            SAE that the labels are of. Default: those that the labels of Neuronpedia name.
        neuronpedia : sequence of str or Path, optional
            Folders or files of Neuronpedia's explanations.
        neuronpedia_id : str, optional
            ``model/source`` whose labels are taken for those of an SAE that names no page itself.
        delphi : str or Path, optional
            Folder of a run of Delphi.
        hookpoint : str, optional
            Which of Delphi's hookpoints, if the folder has several.
        csv : str or Path, optional
            CSV with feature, text and, optionally, source, score, method, url.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`: the labels read.

        Returns
        -------
        list of int
            Numbers of the SAEs whose labels were in the files.

        Raises
        ------
        InputError, BadLabels, UnknownName, DatabaseError
        """
        from saeatlas.ingest import labels

        source = labels.open_labels(
            neuronpedia=[Path(one) for one in neuronpedia],
            neuronpedia_id=neuronpedia_id,
            delphi=None if delphi is None else Path(delphi),
            hookpoint=hookpoint,
            csv=None if csv is None else Path(csv),
        )
        name = None if sae is None else str(sae)
        done = labels.ingest_labels(self.engine, source, sae=name, report=progress)
        return sorted({part.sae for part in done.stored})

    @errors.extras()
    def words(
        self,
        *,
        pairs: Sequence[str | Path] = (),
        model: str | None = None,
        layers: Sequence[int] = (),
        site: Literal["resid_post", "resid_pre"] = "resid_post",
        vectors: str | Path | None = None,
        name: str | None = None,
        frequencies: str | Path | None = None,
        dtype: Literal["float32", "bfloat16", "float16"] = "float32",
        device: str | None = None,
        progress: Report = silent,
    ) -> list[int]:
        """Ingest word pairs, one relation per file, and the vectors of their words.

        Parameters
        ----------
        pairs : sequence of str or Path, optional
            JSON lists of ``{"input": ..., "output": ...}``. Default: the words of all relations of
            the catalog.
        model : str, optional
            Hub id or folder of a transformers model to run on the words; needs `layers`.
        layers : sequence of int, optional
            Layers of the model, from 0.
        site : {'resid_post', 'resid_pre'}
            The residual stream after a layer, or before.
        vectors : str or Path, optional
            Ready vectors in place of a model: word2vec, GloVe or .npz.
        name : str, optional
            Name of the vectors. Default: the model's or the file's.
        frequencies : str or Path, optional
            CSV or TSV with words and their counts.
        dtype : {'float32', 'bfloat16', 'float16'}
            Precision of the model.
        device : str, optional
            Default: cuda or mps where there is one, else cpu.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`: the words done.

        Returns
        -------
        list of int
            Numbers of the spaces of words: one a layer, or the one of the file.

        Raises
        ------
        InputError
            Not one of `model` with `layers`, and `vectors`.
        BadWords, UnknownName, NameTaken, ModelMismatch
        """
        from saeatlas.ingest.words import words
        from saeatlas.ingest.words.model_vectors import Params

        if (model is None) == (vectors is None) or (model is None) != (not layers):
            raise errors.InputError("Words need a model and its layers, or vectors.")
        paths = [Path(one) for one in pairs]
        counts = None if frequencies is None else Path(frequencies)
        if vectors is not None:
            done = words.ingest_file_words(
                self.engine, paths, Path(vectors), name=name, frequency_file=counts
            )
        else:
            params = Params(str(model), tuple(layers), site, dtype, device)
            done = words.ingest_model_words(
                self.engine, paths, params, name=name, frequency_file=counts, report=progress
            )
        return list(done.spaces)

    @errors.extras()
    def tokens(
        self,
        *,
        sae: int | str,
        model: str,
        top: int = 10,
        device: str | None = None,
        progress: Report = silent,
    ) -> int:
        """Find the tokens that each feature promotes most, through the model's unembedding.

        Parameters
        ----------
        sae : int or str
            SAE of the catalog, by number or name.
        model : str
            Hub id or folder of the model that it was trained on.
        top : int, default=10
            Tokens of each feature.
        device : str, optional
            Default: cuda or mps where there is one, else cpu.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`: the features done.

        Returns
        -------
        int
            Number of the run.

        Raises
        ------
        UnknownName, UnsupportedSae, ModelMismatch
        """
        from saeatlas.ingest.words import promoted_tokens

        with self.engine.connect() as connection:
            number = int(saes.find_one(connection, str(sae)).id)
        done = promoted_tokens.find_tokens(
            self.engine, number, model=model, top=top, device=device, report=progress
        )
        return done.run
