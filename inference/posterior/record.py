"""What is kept of a run of many chains: positions, and statistics under ArviZ's names."""

from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["Move", "Record"]


@dataclass(frozen=True)
class Move:
    """What one iteration did to all chains."""

    start: torch.Tensor
    end: torch.Tensor
    momentum: torch.Tensor
    chance: torch.Tensor
    energy: torch.Tensor
    diverging: torch.Tensor
    time: float
    steps: int


class Record:
    """What is kept of the iterations, in memory taken beforehand.

    Parameters
    ----------
    length
        How many iterations there is room for.
    like
        Positions of all chains, shape (chain, dim).
    """

    def __init__(self, length: int, like: torch.Tensor) -> None:
        self.count = 0
        self._positions = like.new_empty(length, *like.shape)
        names = ("lp", "energy", "acceptance_rate", "diverging")
        self._tensors = {name: like.new_empty(length, len(like)) for name in names}
        self._numbers = {name: np.empty(length) for name in ("step_size", "int_time", "n_steps")}

    def add(
        self, move: Move, position: torch.Tensor, log_density: torch.Tensor, step_size: float
    ) -> None:
        """Keep one iteration, and where the chains are after it, if there is room for it."""
        if self.count >= len(self._positions):
            return
        self._positions[self.count] = position
        self._tensors["lp"][self.count] = log_density
        self._tensors["energy"][self.count] = move.energy
        self._tensors["acceptance_rate"][self.count] = move.chance
        self._tensors["diverging"][self.count] = move.diverging.to(move.energy)
        self._numbers["step_size"][self.count] = step_size
        self._numbers["int_time"][self.count] = move.time
        self._numbers["n_steps"][self.count] = move.steps
        self.count += 1

    def positions(self, rows: torch.Tensor) -> torch.Tensor:
        """Give positions of some chains, shape (chain, draw, dim)."""
        return self._positions[: self.count, rows].transpose(0, 1)

    def stats(self, rows: torch.Tensor) -> dict[str, np.ndarray]:
        """Give the statistics of some chains, shape (chain, draw)."""
        own = {n: v[: self.count, rows].T.cpu().numpy() for n, v in self._tensors.items()}
        own["diverging"] = own["diverging"] > 0
        shape = (len(rows), self.count)
        common = {n: np.tile(v[: self.count], (shape[0], 1)) for n, v in self._numbers.items()}
        common["n_steps"] = common["n_steps"].astype(int)
        return {**own, **common}
