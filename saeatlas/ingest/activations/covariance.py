"""Mean and covariance of what SAEs hear, summed up while they listen.

A chunk's tokens are summed up about the mean of its first document, in float64, and the chunks are
joined by their means: so dimensions with values in the thousands do not lose the small ones'
digits. A chunk's sums depend on its documents alone, so that a recording that was interrupted
comes to the same sums.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa
import torch

from saeatlas import errors
from saeatlas.ingest.activations.attached_sae import Ear, Sound
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
    ears: Sequence[Ear],
    acts: Mapping[str, torch.Tensor],
    counted: np.ndarray[Any, Any],
    sums: Mapping[Sound, Sums],
) -> None:
    """Add what is heard of a document, once for all SAEs that hear the same.

    Parameters
    ----------
    ears : sequence of Ear
    acts : mapping of str to Tensor of shape (T or more, d_in)
        By hook name; what follows the T tokens is padding.
    counted : ndarray of shape (T,), bool
        Tokens that can be a block's maximum.
    sums : mapping of Sound to Sums
    """
    for sound, own in sums.items():
        ear = next(ear for ear in ears if ear.sound == sound)
        heard = acts[ear.hook_name][: len(counted)]
        own.add(ear.take(heard)[torch.from_numpy(counted).to(heard.device)])


class Clouds:
    """The recordings that were begun with ``--covariance``, and their sums so far.

    Parameters
    ----------
    wanted : bool
        Whether recordings that begin now collect.
    """

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._totals: dict[int, Moments] = {}  # by recording.id

    def resume(self, connection: sa.Connection, recording: Recording) -> None:
        """Take up a recording that is there: one that was begun so goes on so.

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
        total = covariances.find(connection, recording.id)
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

    def begin(self, connection: sa.Connection, recording: Recording, ear: Ear) -> None:
        """Note a new recording; writes a row of ``activation_covariance`` if wanted.

        Parameters
        ----------
        connection : sqlalchemy.Connection
        recording : Recording
        ear : Ear
        """
        if self._wanted:
            d = int(ear.weights.cfg.d_in)
            self._totals[recording.id] = covariances.begin(connection, recording.id, d)

    def listen(self, ears: Sequence[Ear], recordings: Mapping[int, Recording]) -> dict[Sound, Sums]:
        """Make empty sums for what those of these SAEs hear that collect.

        Parameters
        ----------
        ears : sequence of Ear
        recordings : mapping of int to Recording
            By ``sae.id``; an SAE without one is about to begin.

        Returns
        -------
        dict of Sound to Sums
        """
        collecting = (
            recordings[ear.sae].id in self._totals if ear.sae in recordings else self._wanted
            for ear in ears
        )
        return {ear.sound: Sums() for ear, yes in zip(ears, collecting, strict=True) if yes}

    def join(
        self, ears: Sequence[Ear], recordings: Mapping[int, Recording], sums: dict[Sound, Sums]
    ) -> dict[int, Moments]:
        """Join a chunk's sums to those of the recordings that heard it.

        Parameters
        ----------
        ears : sequence of Ear
        recordings : mapping of int to Recording
            By ``sae.id``.
        sums : dict of Sound to Sums

        Returns
        -------
        dict of int to Moments
            By recording, of all its documents so far; without those that heard no token more.
        """
        chunk = {sound: own.moments() for sound, own in sums.items()}
        moved = {}
        for ear in ears:
            number, new = recordings[ear.sae].id, chunk.get(ear.sound)
            if number in self._totals and new is not None:
                moved[number] = self._totals[number] = self._totals[number] + new
        return moved
