"""Worlds come out the same to the bit whoever draws them, wherever they go, and however often a
run is stopped; and what cannot be gone on with is refused."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import Executor, Future
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyro
import pyro.distributions as dist
import pytest
import torch
import xarray as xr

import counterfactual_models as cm
import inference
from counterfactual_models import zoo
from inference import simulation
from inference.arrays.cells import Cells

WIDTH = 20_000  # so wide that a block holds 64 draws, and a world ten blocks
DRAWS = 600


def wide(disciple, width=WIDTH):
    base = pyro.sample("base", dist.Normal(0.0, 1.0))
    act = cm.wire(disciple, idle=0.0)
    with pyro.plate("place", width):
        law = dist.Normal(base + act(base), 1.0)
        rain = pyro.sample("rain", law, infer={"is_auxiliary": True})
    cm.measure("wet", (rain[..., :3] > 0.5).float(), dims=["field"])
    cm.measure("most", rain[..., :50], dims=["town"])


def one(base):
    return torch.ones_like(base)


def none(base):
    return torch.zeros_like(base)


DISCIPLES = {"one": one, "none": none}


@pytest.fixture(scope="module", autouse=True)
def small_pieces():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inference.keeping._NUMBERS", 1 << 20)  # a block is a piece
        if find_spec("cloudpickle"):  # workers cannot import this file
            importlib.import_module("cloudpickle").register_pickle_by_value(sys.modules[__name__])
        yield


@pytest.fixture
def pool():
    loky = pytest.importorskip("joblib.externals.loky", reason="needs the extra 'scale'")
    yield loky.get_reusable_executor(2)
    loky.get_reusable_executor(2).shutdown()


@pytest.fixture(scope="module")
def past():
    return inference.sample_posterior(wide, None, draws=DRAWS // 2, chains=2, progress=False)


@pytest.fixture(scope="module")
def drawn(past):
    return worlds(past)


@pytest.fixture(scope="module")
def counted(past):
    return worlds(past, keep="summary")


def worlds(past, disciples=DISCIPLES, world=wide, **options):
    return inference.sample_worlds(world, past, disciples, seed=1, progress=False, **options)


def assert_same_worlds(first, second):
    names = ["predictions"] if "predictions" in first.children else []
    names += [node.path for node in first.subtree if "cell_counts" in node.data_vars]
    assert names
    for name in names:
        one, other = first[name].to_dataset(), second[name].to_dataset()
        for kind in (one.data_vars, one.coords):
            for each in kind:
                np.testing.assert_array_equal(one[each].values, other[each].values)
                assert one[each].dims == other[each].dims
                assert one[each].dtype == other[each].dtype


def edge_cells(values, edges):
    """Cells by numpy's own search, one measurement after the other."""
    return np.stack(
        [
            np.searchsorted(own, column, side="right")
            for own, column in zip(edges, values.T, strict=True)
        ],
        1,
    )


def test_a_summary_counts_the_very_draws_that_would_have_been_kept(drawn, counted):
    bounds = json.loads(counted["cell_counts"].attrs["bounds"])
    for name in ("wet", "most"):
        found = counted[f"cell_counts/{name}"].to_dataset()
        kept = drawn["predictions"][name].values.reshape(3, DRAWS, -1)
        for place in range(3):
            cells = edge_cells(kept[place], found["cell_edges"].values)
            for block, (first, last) in enumerate(pairwise(bounds)):
                here = (
                    found["cell_counts"].values[place][found["count_block"].values == block].sum(0)
                )
                for cell in range(len(here)):
                    expected = (cells[first:last] == cell).sum(0)
                    assert np.array_equal(here[cell], expected)


def test_cells_are_those_of_the_erased_world_whatever_disciples_are_asked_for(past, counted):
    alone = worlds(past, {"none": none}, keep="summary")
    for name in ("wet", "most"):
        both, one = counted[f"cell_counts/{name}"], alone[f"cell_counts/{name}"]
        assert np.array_equal(both["cell_edges"].values, one["cell_edges"].values)
        for label in ("erased", "none"):
            where = [list(tree["disciple"].values).index(label) for tree in (both, one)]
            assert np.array_equal(
                both["cell_counts"].values[where[0]], one["cell_counts"].values[where[1]]
            )


def test_coarse_graining_of_a_summary_is_that_of_the_draws_with_the_same_cells(past, counted):
    # A summary has its cells from a pilot: the same draws in the same cells give the same numbers.
    impact = inference.diagnostics.coarse_graining(counted)
    truth = 2 * torch.distributions.Normal(0, 1).cdf(torch.tensor(0.5 / np.sqrt(2))).item() - 1
    moved = impact["tv"].sel(disciple="one")[3:]
    # One draw of the base serves all towns: they are off together, by its error.
    assert abs(moved.mean().item() - truth) < 4 * impact["mcse"].max().item()
    assert impact["measurement"].values[:4].tolist() == ["wet[0]", "wet[1]", "wet[2]", "most[0]"]
    kept = inference.diagnostics.coarse_graining(worlds(past))
    assert np.abs(kept["tv"] - impact["tv"]).mean() < 0.05


@pytest.mark.parametrize("keep", ["draws", "summary"])
def test_a_store_holds_the_same_worlds_and_is_read_lazily(past, drawn, counted, keep, tmp_path):
    path = tmp_path / "worlds.zarr"
    stored = worlds(past, keep=keep, store=path)
    assert_same_worlds(drawn if keep == "draws" else counted, stored)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["worlds.zarr"]
    assert_same_worlds(stored, inference.load(path))
    inference.save(stored, tmp_path / "again.nc")
    assert_same_worlds(stored, inference.load(tmp_path / "again.nc"))
    again = worlds(past, keep=keep, store=path)  # is finished: nothing is drawn
    node = "predictions/most" if keep == "draws" else "cell_counts/most/cell_counts"
    assert not again[node].variable._in_memory
    assert_same_worlds(stored, again)
    assert stored.attrs["seed"] == 1


def test_diagnostics_of_a_stored_tree_are_those_of_the_tree(past, drawn, tmp_path):
    stored = worlds(past, store=tmp_path / "worlds.zarr")
    here, there = (inference.diagnostics.coarse_graining(tree) for tree in (drawn, stored))
    xr.testing.assert_identical(here, there)


@pytest.mark.parametrize("keep", ["draws", "summary"])
def test_loky_draws_the_same_worlds(past, drawn, counted, keep, tmp_path, pool):
    expected = drawn if keep == "draws" else counted
    assert_same_worlds(expected, worlds(past, keep=keep, executor=pool))
    stored = worlds(past, keep=keep, executor=pool, store=tmp_path / "worlds.zarr")
    assert_same_worlds(expected, stored)


def killer(marker):
    """A policy that kills its process the first time it is asked for many draws elsewhere."""
    here = os.getpid()

    def policy(base):
        if os.getpid() != here and base.ndim and not Path(marker).exists():
            Path(marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return torch.ones_like(base)

    return policy


def test_a_worker_of_loky_that_is_killed_loses_nothing(past, drawn, tmp_path, pool):
    disciples = {"one": killer(str(tmp_path / "killed")), "none": none}
    found = worlds(past, disciples, executor=pool)
    assert (tmp_path / "killed").exists()
    assert_same_worlds(drawn, found)


@pytest.mark.filterwarnings("default")  # dask's own, of ports, of closing and of lost workers
def test_dask_draws_the_same_worlds_although_a_worker_is_killed(past, counted, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the extra 'scale'")
    disciples = {"one": killer(str(tmp_path / "killed")), "none": none}
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        pool = client.get_executor(pure=False)
        found = worlds(past, disciples, keep="summary", executor=pool)
    assert (tmp_path / "killed").exists()
    assert_same_worlds(counted, found)


RUN = """
import sys
from concurrent.futures import Executor, Future
from importlib.util import find_spec
from itertools import pairwise
sys.path.insert(0, {folder!r})
from test_drawing import *
import inference.keeping as keeping
import inference.unfinished as unfinished
keeping._NUMBERS = 1 << 20
past = inference.sample_posterior(wide, None, draws=DRAWS // 2, chains=2, progress=False)
stop = int(sys.argv[2])
marked = unfinished.Unfinished.mark
def mark(self, piece, note):
    marked(self, piece, note)
    if len(self.marks) == stop:
        os.kill(os.getpid(), signal.SIGKILL)
unfinished.Unfinished.mark = mark
worlds(past, keep=sys.argv[1], store=sys.argv[3])
"""


@pytest.mark.parametrize("keep", ["draws", "summary"])
def test_a_run_that_was_killed_goes_on_to_the_same_bits(past, drawn, counted, keep, tmp_path):
    path = tmp_path / "worlds.zarr"
    script = tmp_path / "run.py"
    script.write_text(RUN.format(folder=str(Path(__file__).parent)))
    ran = subprocess.run(
        [sys.executable, str(script), keep, "4", str(path)], capture_output=True, text=True
    )
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    assert not path.exists()
    left = tmp_path / ".worlds.zarr-unfinished"
    assert len(list((left / "marks").glob("*.json"))) == 4
    redrawn = []
    watched = simulation.run_block

    def run_block(plan, number, pins, way):
        redrawn.append((plan.program.what, number))
        return watched(plan, number, pins, way)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inference.pieces.run_block", run_block)
        resumed = worlds(past, keep=keep, store=path)
    assert_same_worlds(drawn if keep == "draws" else counted, resumed)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["run.py", "worlds.zarr"]
    fresh = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "inference.pieces.run_block",
            lambda *given: fresh.append(given[1]) or watched(*given),
        )
        worlds(past, keep=keep)
    assert len(redrawn) < len(fresh)  # what was finished was not drawn again


def test_ctrl_c_says_where_the_rest_is_and_the_run_goes_on(past, drawn, tmp_path):
    path = tmp_path / "worlds.zarr"
    calls = []

    def impatient(base):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return torch.ones_like(base)

    with pytest.raises(KeyboardInterrupt) as stopped:
        worlds(past, {"one": impatient, "none": none}, store=path)
    assert "to go on" in "".join(stopped.value.__notes__)
    assert not path.exists()
    assert_same_worlds(drawn, worlds(past, {"one": impatient, "none": none}, store=path))


def test_another_question_is_not_gone_on_with(past, tmp_path):
    path = tmp_path / "worlds.zarr"
    worlds(past, store=path)
    with pytest.raises(cm.WorldError, match=r"holds other worlds; these differ: keep, cells"):
        worlds(past, keep="summary", store=path)
    with pytest.raises(cm.WorldError, match=r"holds other worlds; these differ: disciples"):
        worlds(past, {"one": one}, store=path)
    with pytest.raises(cm.WorldError, match="these differ: seed"):
        inference.sample_worlds(wide, past, DISCIPLES, seed=2, progress=False, store=path)
    inference.save(past, tmp_path / "mine.zarr")
    with pytest.raises(cm.WorldError, match=r"was not made by sample_worlds"):
        worlds(past, store=tmp_path / "mine.zarr")
    with pytest.raises(cm.WorldError, match=r"expected a path that ends in \.zarr"):
        worlds(past, store=tmp_path / "worlds.nc")
    with pytest.raises(cm.WorldError, match="there is no folder"):
        worlds(past, store=tmp_path / "nowhere" / "worlds.zarr")


def test_a_policy_that_changed_since_the_stop_is_found_out(past, tmp_path):
    step, calls = [1.0], []

    def policy(base):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return step[0] * torch.ones_like(base)

    with pytest.raises(KeyboardInterrupt):
        worlds(past, {"one": policy}, store=tmp_path / "worlds.zarr")
    step[0] = 2.0
    with pytest.raises(cm.WorldError, match="comes out differently than what is stored"):
        worlds(past, {"one": policy}, store=tmp_path / "worlds.zarr")


@pytest.mark.parametrize("keep", ["draws", "summary"])
def test_a_finished_store_is_not_taken_for_that_of_another_policy_of_the_same_text(
    past, keep, tmp_path
):
    step = [1.0]
    disciples = {"one": lambda base: step[0] * torch.ones_like(base)}
    path = tmp_path / "worlds.zarr"
    stored = worlds(past, disciples, keep=keep, store=path)
    assert_same_worlds(stored, worlds(past, disciples, keep=keep, store=path))
    step[0] = 5.0
    with pytest.raises(cm.WorldError, match="comes out differently than what is stored"):
        worlds(past, disciples, keep=keep, store=path)
    assert_same_worlds(stored, inference.load(path))


def test_a_finished_store_is_not_added_to_by_a_policy_that_must_now_be_run_singly(past, tmp_path):
    singly = [False]

    def policy(base):  # a batch of draws has two axes; its first three are no answer for all
        return torch.ones_like(base[:3] if singly[0] and base.ndim == 2 else base)

    path = tmp_path / "worlds.zarr"
    stored = worlds(past, {"one": policy}, store=path)
    singly[0] = True
    with pytest.raises(cm.WorldError, match="comes out differently than what is stored"):
        worlds(past, {"one": policy}, store=path)
    assert_same_worlds(stored, inference.load(path))
    assert [file.name for file in tmp_path.iterdir()] == ["worlds.zarr"]


def test_other_labels_are_another_question(past, tmp_path):
    worlds(past, store=tmp_path / "worlds.zarr", coords={"field": ["a", "b", "c"]})
    with pytest.raises(cm.WorldError, match="these differ: labels"):
        worlds(past, store=tmp_path / "worlds.zarr", coords={"field": ["a", "b", "d"]})


def test_a_world_that_needs_single_runs_is_drawn_singly_from_its_start(pool):
    def strange(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=0.0)
        with pyro.plate("place", 5000):
            rain = pyro.sample("rain", dist.Normal(act(base), 1.0))
        if bool((rain[..., 0] > 2.2).any()):  # looks at all draws of a block at once
            rain = rain + 1.0
        cm.measure("most", rain[..., :2], dims=["town"])

    tree = inference.sample_posterior(strange, None, draws=400, chains=2, progress=False)
    options = {"world": strange, "disciples": {"none": none}}
    found = worlds(tree, **options)
    ways = json.loads(found.attrs["vectorised"])
    assert all(way.startswith("loop: ") for way in ways.values())
    assert_same_worlds(found, worlds(tree, **options, executor=pool))


def test_evidence_after_the_switch_needs_all_draws_at_hand(tmp_path):
    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=0.0)
        pyro.sample("report", dist.Normal(base + act(base), 1.0))
        cm.measure("base_again", base + 0.0)

    with pytest.warns(cm.ImpactWarning, match="does not know it"):
        past = inference.sample_posterior(world, {"report": 1.0}, draws=50, progress=False)
    for options in ({"keep": "summary"}, {"store": tmp_path / "worlds.zarr"}):
        with pytest.raises(cm.WorldError, match="evidence after the switch"):
            worlds(past, {"one": one}, world, **options)


def test_futures_stay_with_their_draw_in_a_summary():
    example = zoo.load("gaussian")
    past = inference.sample_posterior(
        example.world, example.evidence, "importance", draws=50, chains=2, progress=False
    )
    tree = inference.sample_worlds(
        example.world, past, example.disciples, futures=7, keep="summary", progress=False
    )
    counts = tree["cell_counts/level/cell_counts"]
    assert counts.sum(["count_part", "count_cell"]).values.ravel().tolist() == [
        700
    ] * counts.sizes["disciple"] * (
        counts.size
        // counts.sizes["disciple"]
        // counts.sizes["count_part"]
        // counts.sizes["count_cell"]
    )
    bounds = json.loads(tree["cell_counts"].attrs["bounds"])
    assert all(bound % 7 == 0 for bound in bounds)


def test_other_cells_can_be_asked_for(past):
    tree = worlds(past, keep="summary", cells=Cells.dyadic(3))
    assert tree["cell_counts/most/cell_counts"].sizes["count_cell"] == 8
    for wrong in ({"cells": 1}, {"keep": "nothing"}):
        with pytest.raises(cm.WorldError, match=str(next(iter(wrong.values())))):
            worlds(past, **wrong)


def test_what_it_takes_is_said_before_it_is_begun(past, tmp_path, capsys):
    inference.sample_worlds(wide, past, DISCIPLES, store=tmp_path / "worlds.zarr")
    said = capsys.readouterr().err
    assert "3 worlds of 600 draws, 53 numbers each: about" in said
    assert "of memory, up to" in said


def test_a_disk_without_room_is_refused_before_anything_is_drawn(past, tmp_path, monkeypatch):
    usage = type("usage", (), {"free": 1000})
    monkeypatch.setattr("inference.world_costs.shutil.disk_usage", lambda path: usage)
    with pytest.raises(cm.WorldError, match="only 0 MB are free"):
        worlds(past, store=tmp_path / "worlds.zarr")
    assert list(tmp_path.iterdir()) == []


def test_a_changed_policy_is_found_out_before_anything_is_added_whoever_is_first(past, tmp_path):
    class Here(Executor):
        """Does every job as it is handed in; none waits for another to be looked at."""

        def submit(self, receive, work, job):
            future = Future()
            future.set_result(receive(work, job))
            return future

    step, calls = [1.0], []

    def policy(base):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return step[0] * torch.ones_like(base)

    path = tmp_path / "worlds.zarr"
    with pytest.raises(KeyboardInterrupt):
        worlds(past, {"one": policy}, keep="summary", store=path)
    marks = sorted((tmp_path / ".worlds.zarr-unfinished" / "marks").glob("*.json"))
    step[0] = 2.0
    with pytest.raises(cm.WorldError, match="comes out differently"):
        worlds(past, {"one": policy}, keep="summary", store=path, executor=Here())
    assert sorted((tmp_path / ".worlds.zarr-unfinished" / "marks").glob("*.json")) == marks


def test_two_runs_do_not_write_into_one_store(past, drawn, tmp_path):
    fcntl = pytest.importorskip("fcntl")
    left = tmp_path / ".worlds.zarr-unfinished"
    left.mkdir()
    with (left / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(cm.WorldError, match="another run is writing"):
            worlds(past, store=tmp_path / "worlds.zarr")
    assert_same_worlds(drawn, worlds(past, store=tmp_path / "worlds.zarr"))


def test_marks_without_arrays_mark_nothing(past, drawn, tmp_path):
    left = tmp_path / ".worlds.zarr-unfinished" / "marks"
    worlds(past, store=tmp_path / "worlds.zarr")
    left.mkdir(parents=True)
    note = {"refused": "", "by_vmap": True, "seen": True, "watched": False}
    for world in range(3):
        (left / f"{world:05d}-0000000.json").write_text(json.dumps(note))
    shutil.rmtree(tmp_path / "worlds.zarr")
    assert_same_worlds(drawn, worlds(past, store=tmp_path / "worlds.zarr"))


def test_an_array_whose_labels_a_kill_took_gets_them_again(past, drawn, tmp_path):
    path, calls = tmp_path / "worlds.zarr", []

    def impatient(base):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return torch.ones_like(base)

    with pytest.raises(KeyboardInterrupt):
        worlds(past, {"one": impatient, "none": none}, store=path)
    tree = tmp_path / ".worlds.zarr-unfinished" / "tree.zarr"
    (tree / "predictions" / "most" / ".zattrs").unlink()
    half = tree / "predictions" / "draw"
    half.mkdir()
    (half / ".zarray").write_bytes((tree / "predictions" / "most" / ".zarray").read_bytes())
    assert_same_worlds(drawn, worlds(past, {"one": impatient, "none": none}, store=path))


def test_whole_numbers_in_one_draw_and_fractions_in_another_are_refused():
    def world(disciple):
        base = pyro.sample("base", dist.Normal(0.0, 1.0))
        act = cm.wire(disciple, idle=0.0)
        y = act(base) + base
        cm.measure("profit", y if base > 1 else torch.tensor(3))

    past = inference.sample_posterior(world, None, draws=50, chains=1, progress=False)
    with pytest.raises(cm.WorldError, match=r"'profit' is of type torch.float32 in some draws"):
        worlds(past, {"one": one}, world)


def test_names_that_files_cannot_bear_are_refused():
    for name in (".zarray", "a\\b"):

        def world(disciple, name=name):
            cm.wire(disciple, idle=0.0)(torch.zeros(()))
            cm.measure(name, pyro.sample("w", dist.Normal(0.0, 1.0)))

        with pytest.raises(cm.WorldError, match="expected a name without"):
            inference.sample_posterior(world, None, draws=50, chains=1, progress=False)
