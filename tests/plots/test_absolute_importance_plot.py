"""Does the spectrum show the pieces and the line that it was given, and say what they come to?"""

from functools import partial

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from pictures import figure_of, words

from counterfactual_models.errors import CounterfactualError, DiscipleError
from inference.plots import plot_absolute_importance

NAMES = ["modest", "greedy", "third", "fourth", "fifth", "sixth", "seventh"]


def made_up(pieces, switch):
    """A result with the layout of diagnostics.absolute_importance, erased first."""
    pieces, switch = np.asarray(pieces, dtype=float), np.array([0.0, *switch])
    worlds = len(switch)
    found = {"evidence_bits": pieces.sum(axis=1), "evidence_bits_mcse": np.full(worlds, 0.02)}
    found |= {"belief_bits": np.full(worlds, 5.57), "eta_evidence": np.full(worlds, 0.138)}
    found |= {"switch_bits": switch, "switch_bits_mcse": np.full(worlds, 0.004)}
    found |= {"eta_switch": switch, "eta_switch_mcse": np.full(worlds, 0.004)}
    found |= {"penalty": (switch - 0.138).clip(0), "share_below": np.full(worlds, 0.29)}
    dims = ("disciple", "component")
    by_piece = {"component_bits": pieces, "component_bits_mcse": np.full(pieces.shape, 0.01)}
    by_piece |= {"relevance": pieces / 2, "relevance_mcse": np.full(pieces.shape, 0.03)}
    return xr.Dataset(
        {name: ("disciple", values) for name, values in found.items()}
        | {"belief_trusted": ("disciple", np.ones(worlds, dtype=bool))}
        | {name: (dims, values) for name, values in by_piece.items()},
        {"disciple": np.array(["erased", *NAMES[: worlds - 1]], dtype=object)},
    )


@pytest.fixture
def result():
    return made_up([[0.55, 0.22, 0.0], [0.5, 0.2, 0.0], [0.9, 0.1, 0.0]], [0.107, 0.6])


@pytest.fixture
def draw(drawing):
    return partial(drawing, plot_absolute_importance)


@pytest.mark.parametrize(
    ("quantity", "variable", "line"),
    [("bits", "component_bits", "switch_bits"), ("relevance", "relevance", "eta_switch")],
)
def test_every_bar_error_and_line_is_at_its_numbers(draw, result, quantity, variable, line):
    picture = draw(result, quantity=quantity)
    for disciple in ("modest", "greedy"):
        own = picture.viz["switch"]["tells"].sel(disciple=disciple).item()
        assert set(own.get_ydata()) == {result[line].sel(disciple=disciple).item()}
        for switch, world in ((0, "erased"), (1, disciple)):
            heights = result[variable].sel(disciple=world).values[:2]
            where = {"disciple": disciple, "X": switch}
            bars = picture.viz["component"]["tells"].sel(where).item()
            assert [bar.get_height() for bar in bars] == heights.tolist()
            errors = picture.viz["error"]["tells"].sel(where).item().get_segments()
            mcse = result[f"{variable}_mcse"].sel(disciple=world).values[:2]
            ends = np.array(errors)[:, :, 1]
            np.testing.assert_allclose(ends.T, [heights - 2 * mcse, heights + 2 * mcse])


def test_what_it_comes_to_is_written_in_words(draw, result):
    said = words(draw(result))
    assert "X: 0.11 ± 0.004 of 1 bit, η 0.11" in said
    assert "evidence, erased: 0.77 ± 0.02 of 5.6 bits, η 0.14" in said
    assert "evidence, let in: 0.7 ± 0.02 of 5.6 bits, η 0.14" in said
    assert "penalty 0.46; 29% of the bits are in pieces below X" in said


def test_the_question_of_the_title_is_answered_as_far_as_noise_lets_it(draw, result):
    result["penalty_mcse"] = "disciple", [0.0, 0.01, 0.01]
    said = words(draw(result))
    assert ("Yes: a bit of evidence tells more" in said, "No: a bit of X tells more" in said) == (
        True,
        True,
    )
    result["penalty_mcse"][1:] = 1.0
    assert words(draw(result)).count("Undecided: within noise") == 2
    result["belief_trusted"][0] = False
    assert words(draw(result)).count("Not known") == 2


@pytest.mark.parametrize("most", [0.9, 2.1, 4.3, 19.0, 1e-4, 0.5])
def test_no_bar_passes_the_last_tick_and_axes_have_titles(draw, most):
    axes = draw(made_up([[most, 0.01], [most / 2, 0.0]], [0.1])).viz["plot"].values.ravel()[0]
    ticks = axes.get_yticks()
    assert ticks[-1] >= most * (1 - 1e-9)
    assert ticks[-1] <= axes.get_ylim()[1]
    assert (np.diff(ticks) > 0).all()
    assert axes.get_xlabel() == "piece of the evidence"
    assert axes.get_ylabel() == "bits of the future"


def test_pieces_that_no_world_has_are_not_drawn(draw, result):
    assert draw(result).data["tells"].sizes["component"] == 2
    assert draw(0 * result).data["tells"].sizes["component"] == 1, "none still makes a picture"


def test_a_long_spectrum_is_cut_and_says_so(draw):
    pieces = np.exp(-np.arange(50) / 8)
    picture = draw(made_up([pieces, pieces], [0.3]))
    assert picture.data["tells"].sizes["component"] == 24
    assert "24 of 50 pieces are shown: the most important." in words(picture)


def test_disciples_of_greatest_penalty_are_kept_and_every_panel_has_its_numbers(draw):
    picture = draw(made_up(np.full((8, 2), 0.3), np.linspace(0.1, 0.9, 7)), max_panels=5)
    assert picture.data["disciple"].values.tolist() == NAMES[2:]
    assert "5 of 7 disciples are shown: those of greatest penalty." in words(picture)
    figure = figure_of(picture)
    figure.canvas.draw()
    for axes in figure.axes:
        assert any(text.get_text() for text in axes.get_xticklabels() if text.get_visible())


def test_bits_of_belief_that_cannot_be_trusted_are_said_to_be(draw, result):
    assert "cannot be trusted" not in words(draw(result))
    result["belief_trusted"].values[1] = False
    assert "cannot be trusted" in words(draw(result))


def test_what_is_not_known_is_said_to_be(draw, result):
    result["eta_evidence"].values[:] = np.nan
    result["component_bits"].values[1, 0] = np.nan
    said = words(draw(result))
    assert "η unknown" in said
    assert said.count("some pieces are not known") == 1
    assert "nan" not in said


def test_estimates_below_zero_are_within_the_axis(draw):
    picture = draw(made_up([[0.01, -0.02], [0.0, 0.01]], [-0.03]))
    low, _ = figure_of(picture).axes[0].get_ylim()
    assert low < -0.03


def test_the_users_settings_stay(draw, result):
    before = dict(mpl.rcParams)
    picture = draw(result)
    figure_of(picture).canvas.draw()
    assert dict(mpl.rcParams) == before


def test_misuse_is_answered(result):
    with pytest.raises(CounterfactualError, match="expected one of"):
        plot_absolute_importance(result, quantity="shares")
    with pytest.raises(CounterfactualError, match="absolute_importance"):
        plot_absolute_importance(result.drop_vars("penalty"))
    with pytest.raises(CounterfactualError, match="without 'erased'"):
        plot_absolute_importance(result.isel(disciple=[1, 2]))
    with pytest.raises(DiscipleError, match="'erased' only"):
        plot_absolute_importance(result.isel(disciple=[0]))
    with pytest.raises(DiscipleError, match="Did you mean 'greedy'"):
        plot_absolute_importance(result, disciples=["gredy"])
    assert plt.get_fignums() == []
