"""Ingestion from Python: what `Atlas.ingest` is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from saeatlas import errors
from saeatlas.api.ingest_published import IngestPublished
from saeatlas.api.ingest_tables import IngestTables
from saeatlas.api.ingest_words import IngestWords
from saeatlas.progress import Progress, Report, silent


class Ingest(IngestTables, IngestWords, IngestPublished):
    """Brings SAEs, activations, tables, labels and words into a catalog: a method each.

    A method returns the numbers of the rows that it wrote, or found: what is in the catalog already
    is not written again. What the methods need beyond the catalog itself is installed with
    ``pip install 'saeatlas[ingest]'``.

    Parameters
    ----------
    engine : sqlalchemy.Engine

    Examples
    --------
    >>> sae = atlas.ingest.sae(path="saes/layer_3")  # doctest: +SKIP
    >>> atlas.ingest.activations(model="gpt2", corpus="texts.jsonl", saes=[sae])  # doctest: +SKIP
    [1]
    """

    @errors.extras()
    def sae(
        self,
        *,
        release: str | None = None,
        sae_id: str | None = None,
        path: str | Path | None = None,
        hook_name: str | None = None,
        model_name: str | None = None,
        layer: int | None = None,
        site: Literal["resid", "mlp", "att"] | None = None,
        neuronpedia_id: str | None = None,
        allow_zero_rows: bool = False,
        encoder: bool = False,
        progress: Report = silent,
    ) -> int:
        """Ingest one SAE: a row of ``sae`` and its rows of ``feature``.

        Parameters
        ----------
        release : str, optional
            Release of sae-lens or repository of the hub; with `path`, a name for it.
        sae_id : str, optional
            SAE within the release; with `path`, a name for it.
        path : str or Path, optional
            An SAE's folder, or a file with W_dec: .npy, .npz, .safetensors, .pt.
        hook_name : str, optional
            Hook name of its input site, if its files do not say.
        model_name : str, optional
            Model that it was trained on, if its files do not say.
        layer : int, optional
            Decoder layer of its input site, from 0, if its files do not say.
        site : {'resid', 'mlp', 'att'}, optional
            Part of the model, if its files do not say.
        neuronpedia_id : str, optional
            Its page on Neuronpedia, ``"model/source"``, if its files do not say. An SAE that is
            there without one is given it.
        allow_zero_rows : bool, default=False
            Accept features whose decoder vector is all zero.
        encoder : bool, default=False
            Store the encoder vectors too, in ``encoder``; adds them to an SAE that is there.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        int
            Number of the SAE.

        Raises
        ------
        UnknownName, BadWeights, UnsupportedSae, NameTaken, InputError
        """
        from saeatlas.ingest.saes import load, store

        progress(Progress("SAEs", 0, 1))
        loaded = load.load_sae(
            release, sae_id, None if path is None else Path(path),
            hook_name=hook_name, model_name=model_name, neuronpedia_id=neuronpedia_id,
            allow_zero_rows=allow_zero_rows,
        )  # fmt: skip
        with self.engine.begin() as connection:
            stored = store.store_sae(connection, loaded.placed(layer, site), encoder=encoder)
        progress(Progress("SAEs", 1, 1))
        return stored.sae

    @errors.extras()
    def layers(
        self,
        *,
        release: str,
        layers: Sequence[int],
        width: str | None = None,
        l0: str | None = None,
        site: Literal["resid", "mlp", "att"] | None = None,
        allow_zero_rows: bool = False,
        encoder: bool = False,
        progress: Report = silent,
    ) -> list[int]:
        """Ingest one SAE a layer of a release.

        Parameters
        ----------
        release : str
            Release of sae-lens.
        layers : sequence of int
            Layers of the model, from 0.
        width : str, optional
            Number of features as the release writes it, as ``"16k"``.
        l0 : str, optional
            ``"41"``, ``"closest:50"`` or ``"canonical"``.
        site : {'resid', 'mlp', 'att'}, optional
            Part of the model, if the release has SAEs of several.
        allow_zero_rows : bool, default=False
            Accept features whose decoder vector is all zero.
        encoder : bool, default=False
            Store the encoder vectors too.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`.

        Returns
        -------
        list of int
            Numbers of the SAEs, in the order of `layers`.

        Raises
        ------
        UnknownName, InputError, BadWeights, UnsupportedSae, NameTaken
        """
        from saeatlas.ingest.saes import registry

        entries = registry.select_entries(release, layers, width=width, l0=l0, site=site)
        numbers = []
        for n, entry in enumerate(entries):
            progress(Progress("SAEs", n, len(entries)))
            numbers.append(
                self.sae(
                    release=entry.release, sae_id=entry.sae_id, allow_zero_rows=allow_zero_rows,
                    encoder=encoder,
                )
            )  # fmt: skip
        progress(Progress("SAEs", len(entries), len(entries)))
        return numbers

    @errors.extras()
    def activations(
        self,
        *,
        model: str,
        corpus: str | Path,
        saes: Sequence[int | str],
        documents: int | None = None,
        split: str = "train",
        config: str | None = None,
        text_field: str = "text",
        subset_field: str | None = None,
        on_bad_document: Literal["error", "skip"] = "error",
        preset: Literal["default", "paper"] = "default",
        context: int | None = None,
        block: int | None = None,
        tail: Literal["drop", "keep"] | int | None = None,
        bos: bool | None = None,
        keep_above: float | None = None,
        dtype: Literal["float32", "bfloat16", "float16"] | None = None,
        device: str | None = None,
        batch_tokens: int | None = None,
        store_text: bool = False,
        covariance: bool = False,
        force: bool = False,
        progress: Report = silent,
    ) -> list[int]:
        """Run a model over a corpus; store the maximum activations of SAEs in each block.

        One forward pass serves all SAEs. If it is stopped, the same call goes on.

        Parameters
        ----------
        model : str
            Hub id or folder of a transformers model.
        corpus : str or Path
            Data set of the hub, JSONL (.gz, .zst), Parquet, or a folder of texts.
        saes : sequence of int or str
            SAEs of the catalog: numbers, names, or a release for all of it.
        documents : int, optional
            Documents to read. Default: all.
        split : str, default='train'
            Split of a data set of the hub.
        config : str, optional
            Configuration of a data set of the hub.
        text_field : str, default='text'
            Field with the text.
        subset_field : str, optional
            Field with the document type, as ``"meta.pile_set_name"``.
        on_bad_document : {'error', 'skip'}
            Stop at a document that cannot be read, or leave it out.
        preset : {'default', 'paper'}
            ``paper``: activations above 1, and no special token but BOS left out.
        context : int, optional
            Tokens of a document, BOS included. Default: 1024.
        block : int, optional
            Tokens of a block. Default: 256.
        tail : {'drop', 'keep'} or int, optional
            Partial last blocks: drop them, keep them, or keep those with so many tokens.
            Default: drop.
        bos : bool, optional
            Whether BOS stands before each document. Default: as the SAEs were trained; where their
            files do not say, True if the model has a BOS token.
        keep_above : float, optional
            Activation floor: only maxima above are stored. Default: 0; of the preset paper 1.
        dtype : {'float32', 'bfloat16', 'float16'}, optional
            Precision of model and SAEs. Default: float32.
        device : str, optional
            Default: cuda or mps where there is one, else cpu.
        batch_tokens : int, optional
            Tokens in one forward pass. Default: 8192.
        store_text : bool, default=False
            Store each block's text too.
        covariance : bool, default=False
            Collect mean and covariance of each SAE's input activations.
        force : bool, default=False
            Go on though an SAE does not fit the model.
        progress : callable, optional
            Called with each `saeatlas.progress.Progress`: the documents done.

        Returns
        -------
        list of int
            Numbers of the recordings, one an SAE.

        Raises
        ------
        InputError, CatalogBusy, DatabaseError
        """
        from saeatlas.ingest import corpora
        from saeatlas.ingest.activations import record
        from saeatlas.ingest.activations.options import Options

        options = Options.of(
            preset, documents=documents, context=context, block=block, tail=tail,
            bos=bos, keep_above=keep_above, dtype=dtype, device=device, batch_tokens=batch_tokens,
            store_text=store_text, covariance=covariance, force=force,
        )  # fmt: skip
        source = corpora.open_corpus(
            str(corpus), text_field=text_field, subset_field=subset_field, split=split,
            config=config, on_bad_document=on_bad_document,
        )  # fmt: skip
        names = [str(one) for one in saes]
        done = record.record(
            self.engine, model=model, corpus=source, saes=names, options=options, report=progress
        )
        return list(done.recordings)
