"""Impact where laws are known: no effect, a known effect, a total effect, and refusals."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr

from counterfactual_models.errors import (
    DiscipleError,
    EvidenceError,
    MeasurementError,
    WorldError,
)
from inference.diagnostics.exact_impact import exact_impact, replacement_importance


def written(probability, value, *, disciples=("swap",), data=(), measurements=("war",)):
    """Laws made by hand: probability (alternative, disciple, outcome)."""
    return xr.Dataset(
        {
            "probability": (("alternative", "disciple", "outcome"), np.array(probability, float)),
            "value": (("outcome", "measurement"), np.array(value, float)),
        },
        {
            "alternative": ["as it was", *(f"{d}[{k}]" for k, d in enumerate(data))],
            "datum": ("alternative", ["", *data]),
            "disciple": ["erased", *disciples],
            "measurement": list(measurements),
        },
    )


PEACE = [0.9, 0.1]
SWAP = written([[PEACE, PEACE[::-1]]], [[0], [1]])
# Rain and war, (0, 0), (0, 1), (1, 0), (1, 1): the disciple makes them go together.
TOGETHER = written(
    [[[0.25] * 4, [0.5, 0, 0, 0.5]]],
    [[0, 0], [0, 1], [1, 0], [1, 1]],
    disciples=("bind",),
    measurements=("rain", "visits[paris]"),
)


def test_no_effect_is_exactly_none():
    found = exact_impact(written([[PEACE, PEACE]], [[0], [1]], disciples=("null",)))
    for name in ("joint_tv", "tv", "rearranged_tv", "entropy_change"):
        assert found[name].values.ravel().tolist() == [0]


def test_a_total_effect_is_one_and_its_shape_may_be_the_same():
    found = exact_impact(written([[[1, 0], [0, 1]]], [[0], [1]])).sel(disciple="swap")
    assert float(found["joint_tv"]) == 1 == float(found["tv"].squeeze())
    assert float(found["rearranged_tv"]) == 0 == float(found["entropy_change"])


def test_peace_and_war_change_places():
    found = exact_impact(SWAP).sel(disciple="swap")
    assert float(found["joint_tv"]) == pytest.approx(0.8)
    assert float(found["rearranged_tv"]) == pytest.approx(0, abs=1e-15)


def test_what_only_the_joint_law_shows():
    found = exact_impact(TOGETHER).sel(disciple="bind")
    assert found["tv"].values.tolist() == [0, 0]
    assert float(found["joint_tv"]) == 0.5
    assert float(found["entropy_change"]) == -1
    assert found["entropy_change"].attrs["units"] == "bits"
    alone = exact_impact(TOGETHER, measurements="visits").sel(disciple="bind")
    assert alone["measurement"].values.tolist() == ["visits[paris]"]
    assert float(alone["joint_tv"]) == 0 == float(alone["entropy_change"])


def test_the_order_of_labels_does_not_matter():
    laws = written([[PEACE, [0.5, 0.5]], [[0.2, 0.8], [0.5, 0.5]]], [[0], [1]], data=("poll",))
    turned = laws.isel(disciple=[1, 0], alternative=[1, 0], outcome=[1, 0])
    for diagnostic in (exact_impact, replacement_importance):
        xr.testing.assert_allclose(diagnostic(turned), diagnostic(laws))


def test_there_is_no_error_and_the_attributes_say_so():
    found = exact_impact(SWAP)
    assert "no Monte Carlo error" in found.attrs["error"]
    assert not [name for name in found if str(name).endswith(("mcse", "floor"))]


TAKEN = written(
    [
        [PEACE, PEACE[::-1], [0.5, 0.5]],
        [PEACE[::-1], PEACE[::-1], [0.5, 0.5]],
        [PEACE, PEACE, [0.5, 0.5]],
    ],
    [[0], [1]],
    disciples=("takeover", "freeze"),
    data=("president", "code"),
)


def test_the_president_matters_or_the_code():
    found = replacement_importance(TAKEN)
    np.testing.assert_allclose(found["importance"], [[1.6, 0], [0, 1.6], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(found["profile"], [[1, 0], [0, 1], [0, 0]], atol=1e-12)
    np.testing.assert_allclose(found["switch_importance"], [0, 1.6, 0.8], atol=1e-12)
    np.testing.assert_allclose(found["ratio"], [0, 1, 0.5], atol=1e-12)
    np.testing.assert_allclose(found["profile_distance"], [0, 1, 1], atol=1e-12)
    np.testing.assert_allclose(found["gram_distance"], [0, 1, 1], atol=1e-12)
    assert found["reason"].values[:2].tolist() == ["", ""]
    assert "no datum matters with 'freeze'" in found["reason"].values[2]


def test_what_no_datum_moves_says_so():
    still = written([[PEACE, [1, 0]], [PEACE, [1, 0]]], [[0], [1]], data=("poll",))
    found = replacement_importance(still).sel(disciple="swap")
    assert float(found["ratio"]) == np.inf
    assert float(found["profile_distance"]) == 0
    assert "no datum moves any law" in str(found["reason"].values)
    awake = still.copy(deep=True)
    awake["probability"][1, 1] = [0, 1]
    found = replacement_importance(awake).sel(disciple="swap")
    assert float(found["gram_distance"]) == 1
    assert "only with 'swap'" in str(found["reason"].values)


def test_a_name_that_is_not_there_is_answered_by_the_nearest():
    with pytest.raises(DiscipleError, match="Did you mean 'swap'"):
        exact_impact(SWAP, disciples="swop")
    with pytest.raises(MeasurementError, match="Did you mean 'war'"):
        exact_impact(SWAP, measurements=["wa"])
    with pytest.raises(MeasurementError, match="at least one"):
        exact_impact(SWAP, measurements=[])


def test_laws_without_alternatives_say_nothing_of_data():
    with pytest.raises(EvidenceError, match="alternatives="):
        replacement_importance(SWAP)


@pytest.mark.parametrize(
    ("spoilt", "match"),
    [
        (lambda laws: laws.drop_vars("value"), "without 'value'"),
        (lambda laws: laws["probability"], "DataArray without"),
        (lambda laws: laws.drop_vars("datum"), "without 'datum'"),
        (lambda laws: laws.isel(alternative=0), "'probability' has the dims"),
        (lambda laws: laws.isel(disciple=[1]), "labels of disciple"),
        (lambda laws: laws.isel(disciple=[0, 1, 1]), "each once"),
        (lambda laws: laws.assign(probability=2 * laws["probability"]), "'erased'.*no law"),
        (lambda laws: laws.assign(probability=np.nan * laws["probability"]), "are no law"),
    ],
)
def test_what_are_no_exact_laws_is_refused(spoilt, match):
    with pytest.raises(WorldError, match=match):
        exact_impact(spoilt(SWAP))


def test_nothing_heavy_is_loaded_to_read_laws():
    code = (
        "import sys, inference.diagnostics.exact_impact; "
        "assert not {'torch', 'pyro'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
