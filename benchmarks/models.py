"""Which posteriors are the engines held against? Four, as worlds and as NumPyro models.

Eight schools (10 numbers), a hierarchical regression (105), a logistic regression (21), and a
latent path seen through counts (203); dims as NUTS sees them. All in float64, all data from one
seed. Tests load this file by its path; NumPyro is imported only when asked for.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyro
import pyro.distributions as dist
import torch
from torch.distributions import constraints

from counterfactual_models import switch

SEED = 20
GROUPS, ROWS = 50, 1000
COLUMNS = 20
STEPS = 200
ZERO, ONE = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)


@dataclass(frozen=True)
class Posterior:
    """One posterior, written twice, from the same data.

    `derived` makes of the latents, arrays of (chain, draw, ...), what a reader would look at: an
    engine is judged by the worst of both.
    """

    world: Callable[..., Any]
    evidence: Mapping[str, Any]
    numpyro: Callable[[], Callable[[], None]]
    derived: Callable[[Mapping[str, np.ndarray]], dict[str, np.ndarray]]


def load(name):
    """Make one of NAMES, its data included."""
    return _MAKERS[name]()


# ------------------------------------------------------------------------ eight schools
def eight_schools(disciple, *, sigma):
    """Rubin (1981), with posteriordb's priors, not centred."""
    mu = pyro.sample("mu", dist.Normal(ZERO, 5.0))
    tau = pyro.sample("tau", dist.HalfCauchy(5.0 * ONE))
    with pyro.plate("school", len(sigma)):
        z = pyro.sample("z", dist.Normal(ZERO, 1.0))
        pyro.sample("y", dist.Normal(mu + tau * z, sigma))
    switch()


def _eight_schools():
    y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
    sigma = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])

    def in_numpyro():
        import numpyro
        from numpyro import distributions as dist

        def model():
            mu = numpyro.sample("mu", dist.Normal(0, 5))
            tau = numpyro.sample("tau", dist.HalfCauchy(5))
            with numpyro.plate("school", len(sigma)):
                z = numpyro.sample("z", dist.Normal(0, 1))
                numpyro.sample("y", dist.Normal(mu + tau * z, sigma), obs=y)

        return model

    return Posterior(
        partial(eight_schools, sigma=torch.from_numpy(sigma)),
        {"y": torch.from_numpy(y)},
        in_numpyro,
        lambda v: {"theta": v["mu"][..., None] + v["tau"][..., None] * v["z"]},
    )


# ------------------------------------------------------------- hierarchical regression
def hierarchical(disciple, *, group, x):
    """An intercept and a slope for each of fifty groups."""
    mu_a = pyro.sample("mu_a", dist.Normal(ZERO, 5.0))
    mu_b = pyro.sample("mu_b", dist.Normal(ZERO, 5.0))
    s_a = pyro.sample("s_a", dist.HalfNormal(ONE))
    s_b = pyro.sample("s_b", dist.HalfNormal(ONE))
    s = pyro.sample("s", dist.HalfNormal(ONE))
    with pyro.plate("group", GROUPS):
        z_a = pyro.sample("z_a", dist.Normal(ZERO, 1.0))
        z_b = pyro.sample("z_b", dist.Normal(ZERO, 1.0))
    a, b = mu_a + s_a * z_a, mu_b + s_b * z_b
    with pyro.plate("row", len(x)):
        pyro.sample("y", dist.Normal(a[..., group] + b[..., group] * x, s))
    switch()


def _hierarchical():
    rng = np.random.default_rng(SEED)
    group, x = rng.integers(0, GROUPS, ROWS), rng.normal(size=ROWS)
    a, b = 1.0 + 0.7 * rng.normal(size=GROUPS), -0.5 + 0.4 * rng.normal(size=GROUPS)
    y = a[group] + b[group] * x + 0.8 * rng.normal(size=ROWS)

    def in_numpyro():
        import numpyro
        from numpyro import distributions as dist

        def model():
            mu_a = numpyro.sample("mu_a", dist.Normal(0, 5))
            mu_b = numpyro.sample("mu_b", dist.Normal(0, 5))
            s_a = numpyro.sample("s_a", dist.HalfNormal(1))
            s_b = numpyro.sample("s_b", dist.HalfNormal(1))
            s = numpyro.sample("s", dist.HalfNormal(1))
            with numpyro.plate("group", GROUPS):
                z_a = numpyro.sample("z_a", dist.Normal(0, 1))
                z_b = numpyro.sample("z_b", dist.Normal(0, 1))
            a, b = mu_a + s_a * z_a, mu_b + s_b * z_b
            with numpyro.plate("row", ROWS):
                numpyro.sample("y", dist.Normal(a[group] + b[group] * x, s), obs=y)

        return model

    return Posterior(
        partial(hierarchical, group=torch.from_numpy(group), x=torch.from_numpy(x)),
        {"y": torch.from_numpy(y)},
        in_numpyro,
        lambda v: {
            c: v[f"mu_{c}"][..., None] + v[f"s_{c}"][..., None] * v[f"z_{c}"] for c in "ab"
        },
    )


# ----------------------------------------------------------------- logistic regression
def logistic(disciple, *, table):
    """A thousand yes or no, twenty columns."""
    intercept = pyro.sample("intercept", dist.Normal(ZERO, 2.0))
    slopes = pyro.sample("slopes", dist.Normal(ZERO, 1.0).expand([COLUMNS]).to_event(1))
    logits = intercept[..., None] + slopes @ table.T
    pyro.sample("y", dist.Bernoulli(logits=logits).to_event(1))
    switch()


def _logistic():
    rng = np.random.default_rng(SEED)
    table, slopes = rng.normal(size=(ROWS, COLUMNS)), rng.normal(size=COLUMNS) * 0.5
    y = (rng.random(ROWS) < 1 / (1 + np.exp(-(table @ slopes + 0.3)))).astype(float)

    def in_numpyro():
        import numpyro
        from numpyro import distributions as dist

        def model():
            intercept = numpyro.sample("intercept", dist.Normal(0, 2))
            slopes = numpyro.sample("slopes", dist.Normal(0, 1).expand([COLUMNS]).to_event(1))
            with numpyro.plate("row", ROWS):
                numpyro.sample("y", dist.Bernoulli(logits=intercept + table @ slopes), obs=y)

        return model

    return Posterior(
        partial(logistic, table=torch.from_numpy(table)),
        {"y": torch.from_numpy(y)},
        in_numpyro,
        lambda v: {},
    )


# ------------------------------------------------------------------------- latent path
class StationaryPath(dist.TorchDistribution):
    r"""Density of a whole path at once, :math:`x_t = \phi x_{t-1} + s\,\epsilon_t`, stationary.

    A loop over the steps would say the same at 200 times the price.
    """

    arg_constraints: Mapping[str, Any] = {}
    support = constraints.real_vector
    has_rsample = False

    def __init__(self, phi, s, steps):
        self.phi, self.s = torch.broadcast_tensors(phi, s)
        super().__init__(self.phi.shape, torch.Size([steps]), validate_args=False)

    def expand(self, batch_shape, _instance=None):
        """Broadcast to a larger batch shape."""
        return StationaryPath(
            self.phi.expand(batch_shape), self.s.expand(batch_shape), *self.event_shape
        )

    def log_prob(self, value):
        """Score the first step by the stationary law, each further one by the one before it."""
        first = dist.Normal(0.0, self.s / (1 - self.phi**2).sqrt()).log_prob(value[..., 0])
        drift = self.phi[..., None] * value[..., :-1]
        return first + dist.Normal(drift, self.s[..., None]).log_prob(value[..., 1:]).sum(-1)

    def sample(self, sample_shape=()):
        """Draw step by step."""
        with torch.no_grad():
            noise = self.s.new_empty((*sample_shape, *self.batch_shape, *self.event_shape))
            noise = noise.normal_() * self.s[..., None]
            path = [noise[..., 0] / (1 - self.phi**2).sqrt()]
            for t in range(1, noise.shape[-1]):
                path.append(self.phi * path[-1] + noise[..., t])
        return torch.stack(path, -1)


def latent_path(disciple):
    """Counts whose log rate follows a latent path."""
    phi = pyro.sample("phi", dist.Uniform(-ONE, ONE))
    s = pyro.sample("s", dist.HalfNormal(0.5 * ONE))
    level = pyro.sample("level", dist.Normal(ZERO, 2.0))
    path = pyro.sample("path", StationaryPath(phi, s, STEPS))
    pyro.sample("y", dist.Poisson((level[..., None] + path).exp()).to_event(1))
    switch()


def _latent_path():
    rng = np.random.default_rng(SEED)
    phi, s = 0.9, 0.3
    path = np.zeros(STEPS)
    path[0] = s / np.sqrt(1 - phi**2) * rng.normal()
    for t in range(1, STEPS):
        path[t] = phi * path[t - 1] + s * rng.normal()
    y = rng.poisson(np.exp(1.0 + path)).astype(float)

    def in_numpyro():
        import numpyro
        from jax import numpy as jnp
        from numpyro import distributions as dist

        def model():
            phi = numpyro.sample("phi", dist.Uniform(-1, 1))
            s = numpyro.sample("s", dist.HalfNormal(0.5))
            level = numpyro.sample("level", dist.Normal(0, 2))
            anywhere = dist.ImproperUniform(dist.constraints.real_vector, (), (STEPS,))
            path = numpyro.sample("path", anywhere)
            first = dist.Normal(0, s / jnp.sqrt(1 - phi**2)).log_prob(path[0])
            numpyro.factor("first", first)
            numpyro.factor("later", dist.Normal(phi * path[:-1], s).log_prob(path[1:]).sum())
            numpyro.sample("y", dist.Poisson(jnp.exp(level + path)).to_event(1), obs=y)

        return model

    return Posterior(
        latent_path,
        {"y": torch.from_numpy(y)},
        in_numpyro,
        lambda v: {"log_rate": v["level"][..., None] + v["path"]},
    )


_MAKERS = {
    "eight_schools": _eight_schools,
    "hierarchical": _hierarchical,
    "logistic": _logistic,
    "latent_path": _latent_path,
}
NAMES = tuple(_MAKERS)
