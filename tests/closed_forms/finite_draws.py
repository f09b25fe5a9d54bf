"""Do the draws of a finite world come out as often as its exact truth says, at any evidence?

All that these worlds know is observed, so that draws are independent: a frequency is within four
standard errors of its chance, and three draws of it where it is rare. What has no chance never is.
"""

import warnings
from collections import Counter

import numpy as np

import inference
from counterfactual_models.errors import ImpactWarning


def outcomes(tree, label, names):
    """Draws of all measurements together: (draw, measurement)."""
    drawn = tree["predictions"]
    columns = [drawn[name].sel(disciple=label).values.astype(float).ravel() for name in names]
    return np.stack(columns, -1)


def draw(example, evidence=None, *, draws=1000, seed=0, **options):
    """Worlds of all disciples of an example, at its own evidence or at another."""
    evidence = example.evidence if evidence is None else evidence
    posterior = inference.sample_posterior(example.world, evidence, draws=draws, progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImpactWarning)  # a datum may be unheard of; it is meant
        return inference.sample_worlds(
            example.world, posterior, example.disciples, seed=seed, progress=False, **options
        )


def assert_lawful(example, tree, evidence=None):
    """Compare the frequency of every outcome with its chance, for each disciple and for nobody."""
    options = {} if evidence is None else {"evidence": evidence}
    for name, disciple in example.disciples.items():
        truth = example.exact(disciple, **options)
        for x, label in ((0, "erased"), (1, name)):
            rows = outcomes(tree, label, truth.names)
            found = Counter(map(tuple, rows.tolist()))
            law = truth.laws[x]
            assert set(found) <= set(law), (label, x)
            for outcome, p in law.items():
                error = np.sqrt(p * (1 - p) / len(rows))
                assert abs(found[outcome] / len(rows) - p) <= 4 * error + 3 / len(rows), outcome


def assert_lawful_at_alternatives(example, **options):
    """Give each alternative to the program as its evidence, and compare with the truth there."""
    assert example.alternatives
    for datum, others in example.alternatives.items():
        for other in others:
            changed = [name for name in other if float(other[name]) != example.evidence[name]]
            assert changed == [datum]
            assert_lawful(example, draw(example, other, draws=250, **options), other)
