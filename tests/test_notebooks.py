"""Every notebook runs from top to bottom at smoke size, and its executed copy has no error."""

import json
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))


@pytest.mark.filterwarnings("ignore::counterfactual_models.errors.ImpactWarning")  # few draws
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_runs_at_smoke_size(path, monkeypatch):
    monkeypatch.setenv("SMOKE", "1")
    runpy.run_path(str(path), run_name="__main__")  # workers get its functions whole
    plt.close("all")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_executed_copy_is_of_this_text_and_shows_no_error(path):
    cells = json.loads(path.with_suffix(".ipynb").read_text())["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    text = path.read_text()
    assert len(cells) <= 25
    assert all(line in text for source in code for line in source.splitlines())
    outputs = [out for cell in cells for out in cell.get("outputs", [])]
    pictures = [source for source in code if "plot_" in source]
    assert [out["output_type"] for out in outputs].count("display_data") == len(pictures)
    assert all(out["output_type"] != "error" for out in outputs)
    assert all(out.get("name") != "stderr" for out in outputs)
