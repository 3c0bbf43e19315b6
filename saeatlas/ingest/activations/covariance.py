"""Mean and covariance of the input activations of SAEs, summed up while they are recorded.

A chunk's tokens are summed up about the mean of its first document, in float64, and the chunks are
joined by their means: so dimensions with values in the thousands do not lose the small ones'
digits. A chunk's sums depend on its documents alone, so that a recording that was interrupted
comes to the same sums.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
import torch

from saeatlas import errors
from saeatlas.ingest.activations.attached_sae import AttachedSae, InputSite
from saeatlas.ingest.activations.recordings import Recording
from saeatlas.schema.rows import covariances
from saeatlas.schema.rows.covariances import Moments


@dataclass
class Sums:
    """Sums over the tokens of some documents, added one document after the other."""

    _n: int = 0
    _shift: torch.Tensor | None = field(default=None, repr=False)  # (d,)
    _sum: torch.Tensor | None = field(default=None, repr=False)  # (d,), of x - shift
    _products: torch.Tensor | None = field(default=None, repr=False)  # (d, d)

    @torch.inference_mode()
    def add(self, x: torch.Tensor) -> None:
        """Add tokens.

        Parameters
        ----------
        x : Tensor of shape (n, d)
            Of any precision; summed up in float64.
        """
        if not len(x):
            return
        # Apple's GPUs have no float64
        x = (x.cpu() if x.device.type == "mps" else x).to(torch.float64)
        if self._shift is None or self._sum is None or self._products is None:
            self._shift = x.mean(0)
            self._sum = torch.zeros_like(self._shift)
            self._products = x.new_zeros(x.shape[1], x.shape[1])
        x = x - self._shift
        self._n += len(x)
        self._sum += x.sum(0)
        self._products.addmm_(x.T, x)

    def moments(self) -> Moments | None:
        """Return the sums about the tokens' own mean; None without tokens.

        Returns
        -------
        Moments or None
        """
        if self._shift is None or self._sum is None or self._products is None:
            return None
        apart = self._sum.cpu().numpy() / self._n  # (d,)
        products = self._products.cpu().numpy() - np.outer(apart * self._n, apart)
        return Moments(self._n, self._shift.cpu().numpy() + apart, products)


def add_document(
    saes: Sequence[AttachedSae],
    acts: Mapping[str, torch.Tensor],
    counted: npt.NDArray[np.bool_],
    sums: Mapping[InputSite, Sums],
) -> None:
    """Add the input activations of a document, once for all SAEs with the same input site.

    Parameters
    ----------
    saes : sequence of AttachedSae
    acts : mapping of str to Tensor of shape (T or more, d_in)
        By hook name; what follows the T tokens is padding.
    counted : ndarray of shape (T,), bool
        Tokens that can be a block's maximum.
    sums : mapping of InputSite to Sums
    """
    for site, own in sums.items():
        sae = next(sae for sae in saes if sae.input_site == site)
        there = acts[sae.hook_name][: len(counted)]
        own.add(sae.inputs(there)[torch.from_numpy(counted).to(there.device)])


class Covariances:
    """The recordings that were begun with ``--covariance``, and their sums so far.

    Parameters
    ----------
    wanted : bool
        Whether recordings that begin now collect a covariance.
    """

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._totals: dict[int, Moments] = {}  # by recording.id

    def resume(self, connection: sa.Connection, recording: Recording) -> None:
        """Continue a recording: one that was begun with a covariance goes on with it.

        Parameters
        ----------
        connection : sqlalchemy.Connection
        recording : Recording
            Locked, so that its sums stay as they are.

        Raises
        ------
        InputError
            It was begun without, and covariances are wanted.
        """
        total = covariances.find_moments(connection, recording.id)
        if total is not None:
            self._totals[recording.id] = total
        elif self._wanted:
            raise errors.InputError(
                f"Recording {recording.id} was begun without --covariance.",
                available="A covariance covers every document of a recording: it cannot be added "
                "afterwards.",
                hint="Leave --covariance out to go on as it was begun, or `saeatlas remove "
                f"recording {recording.id}` and start it afresh.",
            )

    def begin(self, connection: sa.Connection, recording: Recording, sae: AttachedSae) -> None:
        """Note a new recording; writes a row of ``activation_covariance`` if wanted.

        Parameters
        ----------
        connection : sqlalchemy.Connection
        recording : Recording
        sae : AttachedSae
        """
        if self._wanted:
            d = int(sae.weights.cfg.d_in)
            self._totals[recording.id] = covariances.begin(connection, recording.id, d)

    def new_sums(
        self, saes: Sequence[AttachedSae], recordings: Mapping[int, Recording]
    ) -> dict[InputSite, Sums]:
        """Make empty sums for the input sites of those SAEs whose recordings collect.

        Parameters
        ----------
        saes : sequence of AttachedSae
        recordings : mapping of int to Recording
            By ``sae.id``; an SAE without one is about to begin.

        Returns
        -------
        dict of InputSite to Sums
        """
        collecting = (
            recordings[sae.sae].id in self._totals if sae.sae in recordings else self._wanted
            for sae in saes
        )
        return {sae.input_site: Sums() for sae, yes in zip(saes, collecting, strict=True) if yes}

    def add_chunk(
        self,
        saes: Sequence[AttachedSae],
        recordings: Mapping[int, Recording],
        sums: Mapping[InputSite, Sums],
    ) -> dict[int, Moments]:
        """Add a chunk's sums to those of its recordings.

        Parameters
        ----------
        saes : sequence of AttachedSae
        recordings : mapping of int to Recording
            By ``sae.id``.
        sums : mapping of InputSite to Sums

        Returns
        -------
        dict of int to Moments
            By recording, of all its documents so far; without those that got no further token.
        """
        chunk = {site: own.moments() for site, own in sums.items()}
        moved = {}
        for sae in saes:
            number, new = recordings[sae.sae].id, chunk.get(sae.input_site)
            if number in self._totals and new is not None:
                moved[number] = self._totals[number] = self._totals[number] + new
        return moved
