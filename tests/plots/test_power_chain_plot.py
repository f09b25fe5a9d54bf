"""Does the waterfall end where the steps add up to, and is the gap what is missing?"""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from pictures import figure_of, words

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


@pytest.fixture(scope="module")
def chain():
    return made({"erased -> B": 3.0, "B -> the $4$": -1.0, "the $4$ -> D": 4.5}, 9.0)


@pytest.fixture(scope="module")
def picture(chain):
    found = plot_power_chain(chain)
    yield found
    plt.close(figure_of(found))


def axes(picture):
    return picture.viz["plot"]["waterfall"].item()


def spans(picture):
    """Where the bars begin and end, from the top down."""
    paths = picture.viz["bar"]["waterfall"].item().get_paths()
    return [(path.vertices[0, 0], path.vertices[2, 0]) for path in paths]


def test_every_step_begins_where_the_one_before_it_ended(picture):
    assert spans(picture) == [(0, 3), (3, 2), (2, 6.5), (0, 6.5), (0, 9)]


def test_the_gap_spans_from_the_sum_to_what_is_scored_at_once(picture):
    assert list(picture.viz["gap"]["waterfall"].item().get_xdata()) == [6.5, 9.0]
    assert "gap 2.5 ± 0.1" in words(picture)


def test_whiskers_hold_95_percent(picture):
    first = picture.viz["error"]["waterfall"].item().get_segments()[0]
    np.testing.assert_allclose(first[:, 0], [3 - 0.196, 3 + 0.196])


def with_ends(chain, below, above):
    """The same with intervals of its own, as the diagnostic gives them."""
    ends = {}
    for name in ("bits", "chain", "direct", "gap"):
        prefix = "" if name == "bits" else f"{name}_"
        ends |= {f"{prefix}lower": chain[name] - below, f"{prefix}upper": chain[name] + above}
    return chain.assign(ends)


def test_whiskers_are_the_intervals_of_the_diagnostic(chain):
    picture = plot_power_chain(with_ends(chain, 0.5, 1.0))
    whiskers = picture.viz["error"]["waterfall"].item().get_segments()
    found = [line[:, 0] for line in whiskers]
    np.testing.assert_allclose(
        found, [[2.5, 4.0], [1.5, 3.0], [6.0, 7.5], [6.0, 7.5], [8.5, 10.0]]
    )
    assert "≥" not in words(picture)
    plt.close(figure_of(picture))


def test_bits_without_an_upper_end_are_a_bound(chain):
    bound = with_ends(chain, 0.5, 1.0)
    bound["upper"].values[0] = np.inf
    bound["gap_upper"].values[:] = np.inf
    picture = plot_power_chain(bound)
    found = words(picture)
    assert "≥ 3.0 ± 0.1" in found and "gap ≥ 2.5 ± 0.1" in found
    assert "a lower bound, whose whisker goes on" in found
    first = picture.viz["error"]["waterfall"].item().get_segments()[0]
    assert tuple(first[:, 0]) == (2.5, axes(picture).get_xlim()[1])
    plt.close(figure_of(picture))


def test_errors_without_end_are_said():
    picture = plot_power_chain(made({"erased -> B": 3.0}, 3.0, mcse=np.inf))
    assert "3 ± ∞" in words(picture)
    figure_of(picture).canvas.draw()
    plt.close(figure_of(picture))


def test_levels_of_several_lines_or_no_name_are_written_on_one():
    picture = plot_power_chain(made({"erased -> a\nb": 3.0, "a\nb -> ": 1.0}, 4.0))
    labels = [text.get_text() for text in axes(picture).get_yticklabels()]
    assert labels[0] == "erased → a b"
    assert labels[1] == "a b → (no name)"
    assert labels[-1] == "erased → (no name) at once"
    plt.close(figure_of(picture))


def test_rows_are_named_after_the_levels(picture):
    labels = [text.get_text() for text in axes(picture).get_yticklabels()]
    assert labels == [
        "erased → B",
        "B → the $4$",
        "the $4$ → D",
        "all steps",
        "erased → D at once",
    ]
    assert "worse than chance" in words(picture)


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
    assert "worse" not in words(picture)
    plt.close(figure_of(picture))


def test_misuse_is_answered(chain):
    before = plt.get_fignums()
    with pytest.raises(CounterfactualError, match="Did you mean 'log2_n'"):
        plot_power_chain(chain, summary="log_n")
    with pytest.raises(CounterfactualError, match=r"power_chain\(worlds"):
        plot_power_chain(chain.drop_vars("gap"))
    with pytest.raises(CounterfactualError, match="got dict"):
        plot_power_chain({})
    wrong = chain.copy(deep=True)
    wrong["direct"].values[0] = np.nan
    with pytest.raises(CounterfactualError, match="'direct' that is not finite"):
        plot_power_chain(wrong)
    assert plt.get_fignums() == before


def test_the_users_settings_stay(chain):
    before = dict(mpl.rcParams)
    plt.close(figure_of(plot_power_chain(chain)))
    assert dict(mpl.rcParams) == before
