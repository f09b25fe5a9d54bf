"""Does the waterfall end where the steps add up to, and is the gap what is missing?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from counterfactual_models.errors import CounterfactualError
from inference.plots.power_chain_plot import plot_power_chain

SUMMARIES = ["log2_n", "mean_tail", "expected"]
CHANCE = np.array([0.0, 1.0, 1.4427])


def made(steps, direct, mcse=0.1):
    """What diagnostics.power_chain returns of these bits of log2 N."""
    bits = np.array(list(steps.values()))[:, None] + CHANCE
    sums = {"chain": bits.sum(0), "direct": direct + CHANCE}
    sums["gap"] = sums["direct"] - sums["chain"]
    variables = {name: ("summary", value) for name, value in sums.items()}
    variables |= {f"{name}_mcse": ("summary", np.full(3, mcse)) for name in sums}
    variables["bits"] = (("step", "summary"), bits)
    variables["mcse"] = (("step", "summary"), np.full_like(bits, mcse))
    return xr.Dataset(variables, {"step": list(steps), "summary": SUMMARIES})


@pytest.fixture
def chain():
    return made({"erased -> B": 3.0, "B -> the $4$": -1.0, "the $4$ -> D": 4.5}, 9.0)


@pytest.fixture
def picture(chain):
    found = plot_power_chain(chain)
    yield found
    plt.close(figure_of(found))


def figure_of(picture):
    return picture.viz["figure"].item()


def axes(picture):
    return picture.viz["plot"]["waterfall"].item()


def texts(picture):
    found = [text.get_text() for text in figure_of(picture).findobj(mpl.text.Text)]
    return " ".join(found).replace("\n", " ")


def spans(picture):
    """Where the bars begin and end, from the top down."""
    paths = picture.viz["bar"]["waterfall"].item().get_paths()
    return [(path.vertices[0, 0], path.vertices[2, 0]) for path in paths]


def test_every_step_begins_where_the_one_before_it_ended(picture):
    assert spans(picture) == [(0, 3), (3, 2), (2, 6.5), (0, 6.5), (0, 9)]


def test_the_gap_spans_from_the_sum_to_what_is_scored_at_once(picture):
    assert list(picture.viz["gap"]["waterfall"].item().get_xdata()) == [6.5, 9.0]
    assert "gap 2.5 ± 0.1" in texts(picture)


def test_whiskers_hold_95_percent(picture):
    first = picture.viz["error"]["waterfall"].item().get_segments()[0]
    np.testing.assert_allclose(first[:, 0], [3 - 0.196, 3 + 0.196])


def test_rows_are_named_after_the_levels(picture):
    labels = [text.get_text() for text in axes(picture).get_yticklabels()]
    assert labels == [
        "erased → B",
        "B → the $4$",
        "the $4$ → D",
        "all steps",
        "erased → D at once",
    ]
    assert "worse than chance" in texts(picture)


@pytest.mark.parametrize("summary", SUMMARIES)
def test_every_summary_can_be_drawn(chain, summary):
    picture = plot_power_chain(chain, summary=summary)
    assert spans(picture)[3][1] == pytest.approx(chain["chain"].sel(summary=summary))
    plt.close(figure_of(picture))
    picture = plot_power_chain(chain.sel(summary=summary), summary=summary)
    plt.close(figure_of(picture))


def test_one_step_without_bits_or_errors_is_drawn():
    picture = plot_power_chain(made({"erased -> B": 0.0}, 0.0, mcse=0.0))
    figure_of(picture).canvas.draw()
    assert "worse" not in texts(picture)
    plt.close(figure_of(picture))


def test_misuse_is_answered(chain):
    with pytest.raises(CounterfactualError, match="Did you mean 'log2_n'"):
        plot_power_chain(chain, summary="log_n")
    with pytest.raises(CounterfactualError, match=r"power_chain\(worlds"):
        plot_power_chain(chain.drop_vars("gap"))
    with pytest.raises(CounterfactualError, match="got dict"):
        plot_power_chain({})
    chain["direct"].values[0] = np.nan
    with pytest.raises(CounterfactualError, match="'direct' that is not finite"):
        plot_power_chain(chain)
    assert plt.get_fignums() == []


def test_the_users_settings_stay(chain):
    before = dict(mpl.rcParams)
    plt.close(figure_of(plot_power_chain(chain)))
    assert dict(mpl.rcParams) == before
