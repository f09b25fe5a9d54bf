"""The rule that combines three measures, on charges made by hand; and what a case keeps."""

import pytest
import xarray as xr

from counterfactual_models.errors import CounterfactualError
from inference.testbed import Case, cases, find_example, measures


def charged(penalty, mcse=0.0):
    numbers = {"penalty": ("disciple", [penalty]), "mcse": ("disciple", [mcse])}
    return xr.Dataset(numbers, {"disciple": ["idle"]})


@pytest.mark.parametrize(
    ("absolute", "relative", "number"),
    [
        (charged(0.0), charged(0.0), 0.0),  # the evidence outweighs X
        (charged(0.5), charged(0.0), 0.8),
        (charged(0.0), charged(0.6), 0.6),
        (charged(0.02, 0.02), charged(0.0), 0.0),
        (charged(0.0, 0.2), charged(0.0), 0.8),  # too noisy to clear anybody
        (CounterfactualError("no evidence"), CounterfactualError("no evidence"), 0.8),
    ],
)
def test_only_what_is_known_to_outweigh_the_switch_forgives_an_impact(absolute, relative, number):
    case = Case("tag", find_example("tag"))
    parts = {"joint_coarse_graining": charged(0.8, 0.01)}
    parts |= {"absolute_importance": absolute, "relative_importance": relative}
    for name, one in parts.items():
        case._kept[f"charge of {name}"] = one
    found = measures()["combined"].ask(case)
    assert found["penalty"].item() == number
    if number != 0.6:
        assert found["mcse"].item() == 0.01  # whoever is cleared is so with an error


def test_worlds_that_cannot_be_drawn_are_tried_once(monkeypatch):
    tried = []

    def refuse(*arguments, **options):
        tried.append(options["coupling"])
        raise CounterfactualError("these worlds cannot share their noise")

    monkeypatch.setattr(cases, "sample_worlds", refuse)
    case = Case("tag", find_example("tag"), draws=50)
    for _ in range(3):
        with pytest.raises(CounterfactualError, match="share their noise"):
            case.coupled  # noqa: B018
    assert tried == ["shared"]
