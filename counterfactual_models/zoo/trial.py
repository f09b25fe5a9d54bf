r"""A real trial: what changes for the next pregnant woman if a disciple decides on her therapy?

Past: 823 women were randomised to periodontal therapy during or after pregnancy, and 92 outcomes
were recorded. Future: one new woman, drawn from those of the trial with all that was known of her
before the decision; the disciple sees it and decides; the 92 outcomes follow. Nobody is treated
when the disciple is erased, so P(e,S,0) is the control arm of the trial.

For woman *i* and outcome *k*, on the scale of :mod:`~counterfactual_models.zoo.trial_data`,

.. math::
    \mu_{ik} = a_k + t_i (\tau_k + \upsilon_k\,\mathrm{smoker}_i) + x_i^\top \beta_k
               + \gamma_k\,\mathrm{bmi}_i + \rho_k\,b_{ik}, \qquad
    y_{ik} \sim \mu_{ik} + \sigma_k e^{\delta_k t_i}\,\epsilon

with :math:`t` therapy, :math:`x` the covariates and :math:`b` the same outcome before the
decision. :math:`\epsilon` is normal for scores; grades are what a logistic :math:`\epsilon` says
between cuts, which :math:`\sigma_k` stretches.

Missing values are modelled:

- an outcome that was not recorded is integrated out: missing at random, given arm and baseline;
- whether outcomes were recorded, and the visits attended, are outcomes themselves, and measured;
- a body mass that is not known is taken to be average, and so is :math:`b` (3 % of the women, for
  blood); that body mass is not known is a covariate. Arms were randomised, so this costs
  precision, not validity. Bacteria have no :math:`b`: half of the women lack it;
- "smoking not recorded" is a category of its own: a policy can act only on the record.

What is ignored. Outcomes that are missing because of what they would have been (a visit missed
because the pregnancy ended, plaque taken in some clinics only) are imputed as if they were not:
a birthweight is drawn for a stillbirth. Each outcome has its likelihood to itself: correlations
enter the future as the residual correlation in the data, not the inference. Cuts, ranks and that
correlation are plugged in. The new woman comes from the women of this trial, in equal shares,
which is what a Bayesian bootstrap predicts for one woman. Centres differ in level, not in effect.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import pyro
import pyro.distributions as dist
import torch
from pyro.distributions import TorchDistribution, constraints
from torch.nn.functional import logsigmoid, pad

from counterfactual_models.deferred import Deferred
from counterfactual_models.disciples import Disciple
from counterfactual_models.primitives import measure, wire
from counterfactual_models.utilities import bounded
from counterfactual_models.zoo import Example
from counterfactual_models.zoo.trial_data import PREDICTORS, Record, read, record

__all__ = ["FAMILIES", "Grades", "everyone", "example", "nobody", "smokers", "trial"]

FAMILIES = ("scores", "grades", "answers")
"""The evidence, by the kind of outcome."""

Baseline = Mapping[str, torch.Tensor]


def everyone(baseline: Baseline) -> torch.Tensor:
    """Treat every woman."""
    return torch.ones_like(baseline["smoker"])


def smokers(baseline: Baseline) -> torch.Tensor:
    """Treat a woman if smoking is on her record."""
    return baseline["smoker"]


def nobody(baseline: Baseline) -> torch.Tensor:
    """Treat no woman: the world as if erased."""
    return torch.zeros_like(baseline["smoker"])


def trial(disciple: Callable[[Baseline], torch.Tensor], *, data: Record) -> None:
    """Run the trial, then let the disciple decide on the therapy of one new woman.

    Parameters
    ----------
    disciple
        Baseline -> therapy, 0 or 1. The baseline is a dict in original units: `age` in years,
        `bleeding` in % of sites, `body_mass` in kg/m² (0 where `body_mass_unknown`), all else
        1 for yes: `smoker`, `smoking_unknown`, `kentucky`, `mississippi`, `new_york` (else
        Minnesota), `black`, `first_pregnancy`, `preterm_before`, `diabetes`, `hypertension`.
    data
        The trial, from :func:`~counterfactual_models.zoo.trial_data.record`.
    """
    women, outcomes = len(data.treated), len(data.outcomes)
    sizes = [data.scores.shape[-1], data.grades.shape[-1], data.answers.shape[-1]]
    coefficients, spread, change = _effects(data)
    stretch = spread[..., sizes[0] :].exp()

    @cache
    def recorded() -> tuple[TorchDistribution, ...]:
        location, scale = _outcome(data, coefficients, spread, change, slice(None), data.treated)
        means, middles, logits = location.split(sizes, -1)
        widths, blurs, _ = scale.split(sizes, -1)
        return (
            dist.Normal(means, widths).mask(data.scores_recorded).to_event(1),
            Grades(middles, blurs, stretch, data.cuts).mask(data.grades_recorded).to_event(1),
            dist.Bernoulli(logits=logits).mask(data.answers_recorded).to_event(1),
        )

    batch = torch.Size((*coefficients.shape[:-3], women))
    with pyro.plate("woman", women):
        for k, name in enumerate(FAMILIES):
            if sizes[k]:
                build = partial(lambda k: recorded()[k], k)
                pyro.sample(name, Deferred(build, batch, torch.Size((sizes[k],))))

    act = wire(disciple, idle=0.0)

    who = pyro.sample("new_woman", dist.Categorical(torch.ones(women)))
    treated = act({name: value[who] for name, value in data.raw.items()})
    luck = pyro.sample(
        "luck",
        dist.MultivariateNormal(torch.zeros(outcomes), scale_tril=data.residual),
        infer={"is_auxiliary": True},
    )
    location, scale = _outcome(data, coefficients, spread, change, who, treated)
    logistic = torch.logit(torch.special.ndtr(luck), eps=1e-6)
    rank = torch.where(
        torch.arange(outcomes) < sizes[0],
        torch.special.ndtr(location + scale * luck),
        torch.sigmoid(
            (location + scale * logistic) / pad(stretch, (sizes[0], sizes[2]), value=1.0)
        ),
    )
    resolution = data.values.shape[-1]
    place = (rank * resolution).long().clamp(max=resolution - 1)
    value = data.values[torch.arange(outcomes), place]
    for k, outcome in enumerate(data.outcomes):
        measure(outcome.name, value[..., k])


def _effects(data: Record) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sample all that is unknown: coefficients, log spreads, and their changes under therapy."""
    to = data.coordinates
    z = pyro.sample(
        "effects",
        dist.MultivariateNormal(to.prior_location, scale_tril=to.prior_factor).to_event(1),
    )
    if data.yes_no == len(data.outcomes):  # a yes or no has no spread of its own
        return to.coefficients(z), torch.zeros(0), torch.zeros(0)
    prior = torch.tensor([0.5, 0.3])[:, None]
    spreads = to.spreads(
        pyro.sample(
            "spreads",
            dist.Normal(-to.spread_centre / to.spread_step, prior / to.spread_step).to_event(2),
        )
    )
    return to.coefficients(z), spreads[..., 0, :], spreads[..., 1, :]


def _outcome(
    data: Record,
    coefficients: torch.Tensor,
    spread: torch.Tensor,
    change: torch.Tensor,
    who: Any,
    treated: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Location and scale of the outcomes of some women, last axis = outcomes.

    Matrix products do most of it, a row for a woman and a column for an outcome: adding up whole
    (woman, outcome) tables would take thrice as long.
    """
    outcomes, scored = len(data.outcomes), data.scores.shape[-1]
    smoker = data.raw["smoker"][who]
    one, therapy = torch.ones_like(smoker), treated.expand_as(smoker)
    row = torch.cat([torch.stack([one, therapy, therapy * smoker], -1), data.covariates[who]], -1)
    location = row @ _without_plate(coefficients[..., :-1, :])
    location = location + data.own[who] * coefficients[..., -1, :]
    # A score's spread is its own; that of grades stretches the cuts instead.
    logs = [pad(spread[..., :scored], (0, outcomes - scored)), pad(change, (0, data.yes_no))]
    scale = torch.stack([one, therapy], -1) @ _without_plate(torch.stack(logs, -2))
    return location, scale.exp()


def _without_plate(columns: torch.Tensor) -> torch.Tensor:
    """Drop the axis of length one that a batch of draws has where the plate of women is."""
    return columns.reshape(*columns.shape[:-3], *columns.shape[-2:])


class Grades(TorchDistribution):
    r"""Grades between cuts of a logistic variable: *g* if :math:`s c_g < z \le s c_{g+1}`.

    .. math:: P(g) = \sigma(u) - \sigma(l)
              = \sigma(u)\,\sigma(-l)\,(1 - e^{l - u}), \qquad
              u = \frac{s c_{g+1} - \mu}{w},\ l = \frac{s c_g - \mu}{w}

    The product has no cancellation, however far the grade is from where it was expected.

    Parameters
    ----------
    location, scale
        :math:`\mu` and :math:`w`, shape (..., outcomes).
    stretch
        :math:`s`, above 0, shape (..., outcomes).
    cuts
        :math:`c`, ascending, shape (outcomes, grades + 1).
    """

    arg_constraints: Mapping[str, Any] = {}
    support = constraints.nonnegative_integer

    def __init__(
        self,
        location: torch.Tensor,
        scale: torch.Tensor,
        stretch: torch.Tensor,
        cuts: torch.Tensor,
        *,
        validate_args: bool | None = None,
    ) -> None:
        self.location, self.scale = torch.broadcast_tensors(location, scale)
        self.stretch, self.cuts = stretch, cuts
        super().__init__(self.location.shape, validate_args=validate_args)

    def expand(self, batch_shape: torch.Size, _instance: Any = None) -> "Grades":
        """Broadcast to a larger batch shape."""
        return Grades(
            self.location.expand(batch_shape),
            self.scale.expand(batch_shape),
            self.stretch,
            self.cuts,
            validate_args=False,
        )

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """Log-probability of grades, 0, 1, ..."""
        grade, outcome = value.long(), torch.arange(len(self.cuts))
        upper = (self.stretch * self.cuts[outcome, grade + 1] - self.location) / self.scale
        lower = (self.stretch * self.cuts[outcome, grade] - self.location) / self.scale
        return logsigmoid(upper) + logsigmoid(-lower) + torch.log(-torch.expm1(lower - upper))

    def sample(self, sample_shape: Any = ()) -> torch.Tensor:
        """Draw grades."""
        with torch.no_grad():
            shape = self._extended_shape(torch.Size(sample_shape))
            noise = torch.logit(torch.rand(shape), eps=1e-6)
            place = ((self.location + self.scale * noise) / self.stretch)[..., None]
            return (place > self.cuts[:, 1:-1]).sum(-1).to(self.location.dtype)


def example(*, women: int | None = None, outcomes: Sequence[str] | None = None) -> Example:
    """Load the trial as it was run, with three policies.

    Parameters
    ----------
    women
        Keep the first so many of the 823 women: a small trial for a quick look.
    outcomes
        Names of outcomes to keep; all 92 by default. Outcomes that hardly vary among the women
        kept are left out.

    Returns
    -------
    Example

    Raises
    ------
    WorldError
        If the package with the data is not installed, or a name is unknown.
    """
    data = record(read(), women=women, outcomes=outcomes)
    names = [outcome.name for outcome in data.outcomes]
    scored, shaped = data.scores.shape[-1], len(names) - data.yes_no
    columns = {"scores": names[:scored], "grades": names[scored:shaped], "answers": names[shaped:]}
    used = [family for family in FAMILIES if columns[family]]
    policies = {"everyone": everyone, "smokers": smokers, "nobody": nobody}
    dims = {family: ["woman", f"{family}_of"] for family in used}
    dims |= {"effects": ["outcome", "predictor"], "luck": ["outcome"]}
    coords = {f"{family}_of": columns[family] for family in used}
    coords |= {"outcome": names, "predictor": list(PREDICTORS)}
    if shaped:
        dims["spreads"] = ["kind_of_spread", "shaped"]
        coords |= {"kind_of_spread": ["spread", "change"], "shaped": names[:shaped]}
    return Example(
        name="trial",
        world=partial(trial, data=data),
        evidence={family: getattr(data, family) for family in used},
        disciples={name: Disciple(policy, name=name) for name, policy in policies.items()},
        utility=-1.0 * bounded("bleeding_visit5", cap=100.0)
        if "bleeding_visit5" in names
        else None,
        about="A policy decides whose gums are treated during pregnancy, after a real trial.",
        coords=coords,
        dims=dims,
        settings={"method": "nuts", "draws": 400, "chains": 4, "futures": 40},
    )
