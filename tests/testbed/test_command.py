"""The command prints the table and writes its files; your own worlds and measures join in."""

import pandas as pd
import pytest

from inference.cli import main
from inference.testbed import BEGIN, CASES, END, measures, running

OWN = """
import pyro
import pyro.distributions as dist
import torch

import counterfactual_models as cm
from counterfactual_models.zoo import Example

def village(disciple):
    mood = pyro.sample("mood", dist.Normal(0.0, 1.0))
    act = cm.wire(disciple, idle=0.0)
    cm.measure("noise", pyro.sample("evening", dist.Normal(mood + act(mood), 1.0)))

def quiet(mood):
    return torch.zeros_like(mood)

def loud(mood):
    return torch.full_like(mood, 9.0)

def example():
    return Example(
        name="village", world=village, evidence={}, disciples={"quiet": quiet, "loud": loud},
        truth={"quiet": "low", "loud": "high"},
    )

def nothing():
    return 3

def uproar(worlds):
    noise = worlds["predictions"]["noise"].mean(["chain", "draw"])
    return {name: abs(float(noise.sel(disciple=name) - noise.sel(disciple="erased")))
            for name in ("quiet", "loud")}

def broken(worlds):
    return [][3]
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words):
    return main(["testbed", "--workers", "1", "--draws", "200", *words])


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_world_and_a_measure_of_ones_own_are_a_function_each(here, capsys, workers):
    worlds = ["swap", "mine.py:example"]
    status = run(
        "--worlds", *worlds, "--measures", "shape", "mine.py:uproar", "--workers", workers
    )
    said = capsys.readouterr()
    assert status == 1  # `uproar` knows the village alone
    assert "uproar in swap" in said.err
    verdicts = pd.read_csv(here / "out/testbed/verdicts.csv", index_col="world")
    assert verdicts.columns.tolist() == ["shape", "uproar"]
    assert verdicts.loc["example", "uproar"] == "right"
    assert verdicts.loc["swap", "shape"] == "misses high impact"  # worlds that change places
    assert "example" in said.out
    assert "testbed.html" in said.out


def test_a_measure_that_breaks_leaves_the_rest_of_the_table(here):
    assert run("--worlds", "mine.py:example", "--measures", "mine.py:broken", "shape") == 1
    verdicts = pd.read_csv(here / "out/testbed/verdicts.csv", index_col="world")
    assert verdicts.loc["example", "broken"] == "failed"
    assert verdicts.loc["example", "shape"] != "failed"
    numbers = pd.read_csv(here / "out/testbed/numbers.csv")
    assert "IndexError" in numbers.loc[numbers["measure"] == "broken", "why"].item()


def test_the_list_names_every_world_and_measure_and_runs_nothing(here, capsys):
    assert main(["testbed", "--list"]) == 0
    said = capsys.readouterr().out
    for name in (*CASES, *measures()):
        assert f"{name}: " in said
    assert not (here / "out").exists()


def test_the_readme_is_checked_before_the_run_and_written_after_it(here, capsys, monkeypatch):
    monkeypatch.setattr(running, "CASES", ("null_world", "swap(years=2)"))
    readme = here / "README.md"
    readme.write_text("no marks")
    assert run("--readme", "README.md") == 2
    assert "no place for the table" in capsys.readouterr().err
    assert not (here / "out").exists()
    readme.write_text(f"{BEGIN}\n{END}\n")
    assert run("--readme", "README.md", "--worlds", "null_world") == 2
    assert "leave out --worlds" in capsys.readouterr().err
    assert run("--readme", "README.md") == 0
    assert "| T01 null_world |" in readme.read_text()


def test_an_interrupted_run_keeps_what_is_finished_and_leaves_the_readme(
    here, capsys, monkeypatch
):
    readme = here / "README.md"
    readme.write_text(f"{BEGIN}\nwhole\n{END}\n")
    monkeypatch.setattr(running, "CASES", ("null_world", "swap(years=2)", "tag"))
    ask, asked = running._ask, []

    def stopped(job):
        asked.append(job.label)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return ask(job)

    monkeypatch.setattr(running, "_ask", stopped)
    assert run("--readme", "README.md") == 130
    assert "whole" in readme.read_text()
    assert "testbed.html" in capsys.readouterr().err
    kept = pd.read_csv(here / "out/testbed/verdicts.csv", index_col="world")
    assert kept.index.tolist() == ["null_world"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--worlds", "hurricaen"], "hurricane"),
        (["--worlds", "swap(yers=3)"], "yers"),
        (["--worlds", "swap(years=)"], "with options in brackets"),
        (["--worlds", "swap", "swap"], "two worlds are called 'swap'"),
        (["--worlds", "gaussian"], "says nothing of its truth"),
        (["--worlds", "mine.py:exampel"], "example"),
        (["--worlds", "mine.py:nothing"], "expected an Example"),
        (["--worlds", "there.py:example"], "no file there.py"),
        (["--measures", "shap"], "shape"),
        (["--measures", "mine.py:uproaar"], "uproar"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(here, capsys, words, said):
    assert run(*words) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert not (here / "out").exists()
