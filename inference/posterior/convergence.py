r"""Can the draws be trusted? One line that says so or says what is wrong, whatever the engine.

Many short chains are judged by nested R-hat [1]_: chains whose starts are neighbours form a
superchain (in [1]_, chains of one start), and superchains that still differ have not forgotten
where they began. Long chains are judged by R-hat [2]_, weighed draws by k-hat; and all by the
effective draws of their worst site. Of K groups of chains that agree, chance alone makes

.. math:: \hat R^2 - 1 \approx \frac{K}{\mathrm{ESS}} \cdot \frac{\chi^2_{K-1}}{K-1}

References
----------
.. [1] C. Margossian, M. Hoffman, P. Sountsov, L. Riou-Durand, A. Vehtari, A. Gelman, "Nested
   R-hat: assessing the convergence of MCMC when running many short chains", Bayesian Analysis
   (2024).
.. [2] A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Buerkner, "Rank-normalization,
   folding, and localization: an improved R-hat", Bayesian Analysis 16 (2021).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import arviz_stats as azs
import numpy as np
import xarray as xr

from inference import schema
from inference.arrays.weights import doubtful
from inference.posterior.starts import GROUPS

__all__ = ["Verdict", "judge"]

_WORST_RHAT = 1.03
_WORST_KHAT, _WORST_FIT = 0.7, 0.4
_WORST_NESTED = 1.02
_MOST_DIVERGING = 0.01
_LEAST_BFMI = 0.05
_ENOUGH_FOR_NESTED = 50  # draws of a chain; more say no more of where it began
_LARGEST_ROUNDING = 0.2  # of a log density: it enters each acceptance
_FEWEST_TO_PLACE = 20  # draws of a chain
_EXCUSED = 100.0  # fewer effective draws than that excuse nothing
_NOISE = 4.0  # 99.9th percentile of chi2(7) / 7, rounded up: superchains differ by chance


@dataclass(frozen=True)
class Verdict:
    """What a run is worth.

    Parameters
    ----------
    figures
        What was measured, as text.
    problems
        What is wrong; empty when the draws can be trusted.
    statistics
        Dim `statistic` (rhat, rhat_nested, ess_bulk, ess_tail) by the dims of each latent.
    effective
        Fewest effective draws of any latent, in the bulk.
    """

    figures: str
    problems: tuple[str, ...]
    statistics: xr.Dataset
    effective: float

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __str__(self) -> str:
        if self.good:
            return f"good: {self.figures}"
        return f"not to be trusted: {'; '.join(self.problems)} ({self.figures})"


def judge(tree: xr.DataTree, attrs: Mapping[str, Any], *, independent: bool) -> Verdict:
    """Judge a posterior by its draws and by what the engine says of its run.

    Parameters
    ----------
    tree
        With the groups `posterior` and `sample_stats`.
    attrs
        Of the run: `superchains`, `khat`, `effective_draws` count where they are there.
    independent
        The draws are independent by construction: chains need not be compared.
    """
    posterior = tree["posterior"].to_dataset()
    drawn = posterior.map(lambda v: v.astype(float))
    if not posterior.data_vars:
        return Verdict("nothing is latent", (), xr.Dataset(), math.inf)
    if posterior.sizes[schema.DRAW] < 4:
        few = () if independent else ("too few draws to judge",)
        return Verdict("fewer than 4 draws", (*_weights(attrs), *few), xr.Dataset(), 0.0)
    superchains = int(attrs.get("superchains", 1))
    statistics = _statistics(drawn, 1 if independent else superchains)
    worst = {name: _worst(statistics, name) for name in statistics["statistic"].values}
    problems = _weights(attrs)
    if not independent:
        exact = attrs.get("summed_out", ())  # drawn given the rest: the evidence may settle them
        # Single elements may be fixed by their support, as those of a Cholesky factor are.
        still = [
            n
            for n, v in drawn.items()
            if n not in exact and (v.std([schema.CHAIN, schema.DRAW]) == 0).all()
        ]
        problems += [f"{str(name)!r} never moves" for name in still]
        problems += _chains(drawn, statistics, worst)
        problems += _moves(tree["sample_stats"].to_dataset())
    figures = _figures(worst, tree, attrs, independent)
    return Verdict(figures, tuple(problems), statistics, worst["ess_bulk"][0])


def _statistics(drawn: xr.Dataset, superchains: int) -> xr.Dataset:
    group = xr.DataTree.from_dict({"posterior": drawn})
    chains = drawn.sizes[schema.CHAIN]
    with np.errstate(invalid="ignore", divide="ignore"):  # a latent the evidence leaves one value
        found = {
            "ess_bulk": _dataset(azs.ess(group, method="bulk")),
            "ess_tail": _dataset(azs.ess(group, method="tail")),
        }
        if superchains > 1 and chains >= 2 * superchains and not chains % superchains:
            ids = list(np.arange(chains) * superchains // chains)
            group = xr.DataTree.from_dict({"posterior": _thinned(drawn)})
            found["rhat_nested"] = _dataset(azs.rhat_nested(group, superchain_ids=ids))
        else:
            found["rhat"] = _dataset(azs.rhat(group))
    return xr.concat(list(found.values()), dim=xr.Variable("statistic", list(found)))


def _thinned(drawn: xr.Dataset) -> xr.Dataset:
    step = max(1, drawn.sizes[schema.DRAW] // _ENOUGH_FOR_NESTED)
    return drawn.isel({schema.DRAW: slice(None, None, step)})


def _worst(statistics: xr.Dataset, name: str) -> tuple[float, str]:
    """Find the worst value of a statistic and the site it belongs to."""
    sign = 1.0 if name.startswith("rhat") else -1.0
    worst = (-math.inf, "")
    for site, values in statistics.sel(statistic=name).data_vars.items():
        finite = values.values[np.isfinite(values.values)]
        if finite.size:
            worst = max(worst, (float((sign * finite).max()), str(site)))
    if not worst[1]:
        return (1.0 if sign > 0 else math.inf), ""
    return sign * worst[0], worst[1]


def _weights(attrs: Mapping[str, Any]) -> list[str]:
    if "khat" not in attrs:
        return []
    khat, effective = float(attrs["khat"]), float(attrs["effective_draws"])
    # A fit that leaves a limb out cannot tell by weights: of it the variance has to be finite too.
    limit = _WORST_FIT if attrs.get("fitted") else _WORST_KHAT
    if khat <= limit and not doubtful(khat, effective):
        return []
    return [
        f"the weights are too uneven, k-hat {khat:.2f} (wanted below {limit}) with "
        f"{effective:.0f} effective draws"
    ]


def _chains(
    drawn: xr.Dataset, statistics: xr.Dataset, worst: Mapping[str, tuple[float, str]]
) -> list[str]:
    problems = []
    if "rhat_nested" in worst:
        site, value = _above_chance(drawn, statistics, "rhat_nested", _WORST_NESTED)
        told = "chains remember their start"
    else:
        site, value = _above_chance(drawn, statistics, "rhat", _WORST_RHAT)
        told = "chains disagree"
    apart = _elsewhere(drawn)
    if apart:
        problems.append(f"some chains of {apart!r} stay where no other goes")
    if site:
        kind = "nested R-hat" if "rhat_nested" in worst else "R-hat"
        problems.append(f"{kind} of {site!r} is {value:.2f}: {told}")
    total = drawn.sizes[schema.CHAIN] * drawn.sizes[schema.DRAW]
    wanted = min(400.0, max(100.0, total / 10))
    for name, where, share in (("ess_bulk", "", 1.0), ("ess_tail", " in the tails", 0.5)):
        value, site = worst[name]
        if value < share * wanted:
            problems.append(
                f"{site!r} has {value:.0f} effective draws{where} (wanted {share * wanted:.0f})"
            )
    return problems


def _above_chance(
    drawn: xr.Dataset, statistics: xr.Dataset, name: str, limit: float
) -> tuple[str, float]:
    """Find the site whose R-hat exceeds the limit by more than chance, and its R-hat.

    Of K groups of chains that do agree, the square of R-hat exceeds 1 by K / ESS x chi2 / df; and
    R-hat looks at the scale of the draws too, whose effective draws are those of the squares.
    """
    found = statistics.sel(statistic=name)
    if all(float(v.max()) <= limit for v in found.values()):
        return "", 0.0
    groups = GROUPS if name == "rhat_nested" else 2 * drawn.sizes[schema.CHAIN]
    count = drawn.sizes[schema.CHAIN] * _thinned(drawn).sizes[schema.DRAW]
    squares = (drawn - drawn.mean()) ** 2
    scale = _dataset(azs.ess(squares, method="mean"))
    ess = np.minimum(statistics.sel(statistic="ess_bulk"), scale)
    ess = ess.clip(min=_EXCUSED, max=count if name == "rhat_nested" else None)
    excess = found - np.sqrt(limit**2 + groups * _NOISE / ess)
    tops = {str(n): float(np.nanmax(v.values, initial=-np.inf)) for n, v in excess.items()}
    site = max(tops, key=tops.__getitem__)
    return (site, float(found[site].max())) if tops[site] > 0 else ("", 0.0)


def _elsewhere(drawn: xr.Dataset) -> str:
    """Name a latent of which a chain never enters the middle nine tenths of all draws.

    One chain of sixty-four that is stuck, however far away, moves no R-hat.
    """
    if drawn.sizes[schema.DRAW] < _FEWEST_TO_PLACE:
        return ""
    for name, values in drawn.items():
        array = values.transpose(schema.CHAIN, schema.DRAW, ...).values
        low, high = np.quantile(array, [0.05, 0.95], axis=(0, 1))
        stays = (array.min(1) > high) | (array.max(1) < low)
        if stays.any():
            return str(name)
    return ""


def _moves(stats: xr.Dataset) -> list[str]:
    problems = []
    if "diverging" in stats:
        share = float(stats["diverging"].mean())
        if share > _MOST_DIVERGING:
            problems.append(f"{share:.1%} of the trajectories diverge")
    if "lp" in stats and stats["lp"].dtype == np.float32:
        size = float(abs(stats["lp"]).max())
        if np.finfo(np.float32).eps * size > _LARGEST_ROUNDING:
            problems.append(f"a log density of {size:.2g} is beyond 32 bits: use 64 in the world")
    if "energy" in stats:
        found = _bfmi(stats["energy"].values)
        if found < _LEAST_BFMI:
            problems.append(f"the energy hardly moves, E-BFMI {found:.2f}")
    return problems


def _bfmi(energy: np.ndarray) -> float:
    """Energy that a fresh momentum brings, as a share of what there is to explore; all chains."""
    spread = energy.var()
    return float(np.square(np.diff(energy, axis=1)).mean() / spread) if spread > 0 else 1.0


def _figures(
    worst: Mapping[str, tuple[float, str]],
    tree: xr.DataTree,
    attrs: Mapping[str, Any],
    independent: bool,
) -> str:
    bulk, site = worst["ess_bulk"]
    parts = []
    if not independent:
        kind = "rhat_nested" if "rhat_nested" in worst else "rhat"
        parts.append(f"{'nested ' * (kind == 'rhat_nested')}R-hat {worst[kind][0]:.3f}")
    parts.append(f"least effective draws {bulk:.0f}{f' ({site})' * bool(site)}")
    parts.append(f"{worst['ess_tail'][0]:.0f} in the tails")
    stats = tree["sample_stats"].to_dataset()
    if "diverging" in stats:
        parts.append(f"{int(stats['diverging'].sum())} diverging")
    if "energy" in stats:
        parts.append(f"E-BFMI {_bfmi(stats['energy'].values):.2f}")
    if "khat" in attrs:
        parts.append(f"k-hat {float(attrs['khat']):.2f}")
    return ", ".join(parts)


def _dataset(found: xr.DataTree | xr.Dataset) -> xr.Dataset:
    """Take the dataset out of what ArviZ returned; the generations differ in how they wrap it."""
    if isinstance(found, xr.Dataset):
        return found
    return found.children.get("posterior", found).to_dataset()
