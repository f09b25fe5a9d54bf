"""The command prints what it found and where; every mistake is one clear line, status 2."""

import inspect
import subprocess
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from counterfactual_models import __version__, zoo
from counterfactual_models.errors import ImpactWarning, WorldError
from inference.cli import main

WORLD = """
from functools import partial

import neighbour

def factory(disciple, slip=0.0):
    return disciple(neighbour.DEMAND)

def modest(demand):
    return min(demand, 1000)

def nobody(): ...

def broken(disciple):
    return [][3]

slippery = partial(factory, slip=0.5)
disciples = {"modest": modest}
evidence = {"orders": [19, 24]}
dims = {"orders": ["week"]}
"""


class FakeAudit:
    """Stands in for the run: keeps what it was called with, finds what it is told to find."""

    def __init__(self, rows=3):
        self.asked = {}
        self.before_return = lambda: None
        self.summary = pd.DataFrame(
            {
                "disciple": "modest",
                "measurement": [f"m{k}" for k in range(rows)],
                "tv": np.linspace(0.1, 0.9, rows),
                "mcse": 0.01,
                "lower": 0.1,
                "upper": 0.2,
                "floor": 0.02,
                "p": 0.5,
                "verdict": "above",
                "draws_needed": 100.0,
            }
        )
        self.sentences = ["Letting in modest moves m2 most."]
        self.tree = types.SimpleNamespace(attrs={"vectorised": '{"erased": "plate"}'})
        self.write = self._write

    def __call__(self, **asked):
        self.asked = asked
        self.before_return()
        return self

    def _write(self, directory):
        page, tree = Path(directory) / "report.html", Path(directory) / "worlds.nc"
        page.write_text("page")
        tree.write_text("tree")
        return page, tree


@pytest.fixture
def audit(monkeypatch):
    fake = FakeAudit()
    module = types.ModuleType("inference.auditing")
    module.audit = fake
    monkeypatch.setitem(sys.modules, "inference.auditing", module)
    return fake


@pytest.fixture
def here(tmp_path, monkeypatch):
    (tmp_path / "neighbour.py").write_text("DEMAND = 21.5\n")
    (tmp_path / "shop.py").write_text(WORLD)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name == "neighbour" or "_world_" in name]:
        del sys.modules[name]


def test_a_world_in_a_file_is_run_with_all_that_stands_beside_it(here, audit, capsys):
    path = list(sys.path)
    assert main(["audit", "shop.py:factory", "--draws", "250", "--tolerance", "0.1"]) == 0
    asked = audit.asked
    assert asked["world"](asked["disciples"]["modest"]) == 21.5
    assert "def factory(disciple" in inspect.getsource(asked["world"])
    assert {key: asked[key] for key in ("evidence", "dims", "utility", "name", "progress")} == {
        "evidence": {"orders": [19, 24]},
        "dims": {"orders": ["week"]},
        "utility": None,
        "name": "factory",
        "progress": True,
    }
    assert (asked["draws"], asked["tolerance"]) == (250, 0.1)
    assert {"chains", "seed", "method"}.isdisjoint(asked), (
        "what is not given is audit's own choice"
    )
    assert sys.path == path
    out = capsys.readouterr().out
    assert out.startswith("Letting in modest moves m2 most.\n")
    assert out.splitlines()[-2:] == ["out/factory/report.html", "out/factory/worlds.nc"]
    assert sorted(f.name for f in Path("out/factory").iterdir()) == ["report.html", "worlds.nc"]


def test_a_partial_is_a_world(here, audit):
    assert main(["audit", f"{here / 'shop.py'}:slippery", "--quiet"]) == 0
    assert audit.asked["world"].keywords == {"slip": 0.5}


def test_evidence_of_the_command_line_wins_over_the_files(here, audit):
    Path("seen.csv").write_text("orders\n7\n8\n")
    assert main(["audit", "shop.py:factory", "--evidence", "seen.csv"]) == 0
    assert audit.asked["evidence"]["orders"].tolist() == [7.0, 8.0]


def test_settings_of_the_zoo_yield_to_options(here, audit, monkeypatch):
    example = zoo.Example("trial", len, {"a": 1}, {"new": len}, settings={"draws": 7, "chains": 2})
    monkeypatch.setattr(zoo, "load", lambda name: example)
    assert main(["audit", "trial", "--draws", "9", "--seed", "4", "--method", "prior"]) == 0
    asked = {key: audit.asked[key] for key in ("draws", "chains", "seed", "method", "world")}
    assert asked == {"draws": 9, "chains": 2, "seed": 4, "method": "prior", "world": len}


def test_the_table_shows_the_top_movers_first_and_says_how_many_are_left_out(here, audit, capsys):
    audit.summary = FakeAudit(rows=40).summary
    assert main(["audit", "shop.py:factory"]) == 0
    lines = capsys.readouterr().out.splitlines()
    shown = [line.split()[1] for line in lines if line.lstrip().startswith("modest ")]
    assert shown == [f"m{k}" for k in range(39, 24, -1)]
    assert "... and 25 measurements that moved less" in lines


def test_quiet_prints_the_two_paths_alone(here, audit, capsys):
    assert main(["audit", "shop.py:factory", "--quiet", "--out", "o"]) == 0
    assert capsys.readouterr() == ("o/report.html\no/worlds.nc\n", "")
    assert audit.asked["progress"] is False


def test_a_second_run_replaces_the_first(here, audit):
    assert main(["audit", "shop.py:factory", "--out", "o"]) == 0
    Path("o/worlds.nc").write_text("old")
    Path("o/notes.txt").write_text("mine")
    assert main(["audit", "shop.py:factory", "--out", "o"]) == 0
    assert Path("o/worlds.nc").read_text() == "tree"
    assert Path("o/notes.txt").read_text() == "mine"


def test_a_warning_of_ours_is_one_plain_line_said_once(here, audit, capsys):
    def warn():
        for _ in range(3):
            warnings.warn("few draws:\n   read with care.", ImpactWarning, stacklevel=2)

    audit.before_return = warn
    assert main(["audit", "shop.py:factory"]) == 0
    assert capsys.readouterr().err == "counterfactual: warning: few draws: read with care.\n"


def test_a_warning_of_others_is_left_as_it_is(here, audit):
    audit.before_return = lambda: warnings.warn("old", DeprecationWarning, stacklevel=2)
    with pytest.warns(DeprecationWarning, match="old"):
        main(["audit", "shop.py:factory"])


def test_an_interrupted_run_says_that_nothing_is_kept(here, audit, capsys):
    def interrupt():
        raise KeyboardInterrupt

    audit.before_return = interrupt
    assert main(["audit", "shop.py:factory", "--out", "o/deep"]) == 130
    assert capsys.readouterr().err == "counterfactual: interrupted; kept: nothing.\n"
    assert not Path("o").exists()


def test_an_interrupt_after_writing_says_what_is_kept(here, audit, capsys):
    class Interrupting(list):
        def __iter__(self):
            raise KeyboardInterrupt

    audit.sentences = Interrupting()
    assert main(["audit", "shop.py:factory", "--out", "o"]) == 130
    assert "kept: o/report.html and o/worlds.nc." in capsys.readouterr().err
    assert Path("o/worlds.nc").read_text() == "tree"


def test_an_error_of_our_own_stays_a_traceback(here, audit):
    def fail():
        raise RuntimeError("a bug")

    audit.before_return = fail
    with pytest.raises(RuntimeError, match="a bug"):
        main(["audit", "shop.py:factory", "--out", "o"])
    assert not Path("o").exists()


def test_what_the_users_file_raises_in_the_run_is_told_with_its_line(here, audit, capsys):
    audit.before_return = lambda: audit.asked["world"](None)
    assert main(["audit", "shop.py:broken"]) == 2
    line = 1 + WORLD.splitlines().index("    return [][3]")
    expected = f"counterfactual: shop.py, line {line}: IndexError: list index out of range.\n"
    assert capsys.readouterr().err == expected


def test_a_refusal_of_the_audit_is_one_line(here, audit, capsys):
    def refuse():
        raise WorldError("no switch:\n  add one.")

    audit.before_return = refuse
    assert main(["audit", "shop.py:factory"]) == 2
    assert capsys.readouterr().err == "counterfactual: no switch: add one.\n"


def test_a_disk_that_fills_up_leaves_nothing_half_written(here, audit, capsys):
    def half(directory):
        Path(directory, "worlds.nc").write_text("half")
        raise OSError(28, "No space left on device")

    audit.write = half
    assert main(["audit", "shop.py:factory", "--out", "o"]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert not Path("o").exists()


def test_an_output_folder_that_cannot_be_written_to_is_refused_before_the_run(
    here, audit, capsys, monkeypatch
):
    def forbidden(self, *args, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", forbidden)
    assert main(["audit", "shop.py:factory", "--out", "o"]) == 2
    assert "--out o cannot be written to (Permission denied)" in capsys.readouterr().err
    assert not audit.asked


MISTAKES = {
    "factry": ["no world is named 'factry'", "'factory'", "file.py:function"],
    "gone.py:factory": ["there is no file gone.py"],
    "shop.txt:factory": ["no Python file"],
    "shop.py:factori": ["no function 'factori'", "Did you mean 'factory'?", "'modest'"],
    "shop.py": ["which function", "shop.py:function", "'factory'"],
    "shop.py:": ["which function", "shop.py:function", "'factory'"],
    "shop.py:dims": ["'dims' is a dict", "'factory'"],
    "shop.py:nobody": ["'nobody'", "def nobody(disciple)"],
    "syntax.py:w": ["cannot be imported", "syntax.py, line 2"],
    "missing.py:w": ["cannot be imported", "line 2", "No module named 'nowhere_to_be'"],
    "leaving.py:w": ["cannot be imported", "line 1", "SystemExit"],
    "alone.py:w": ["no `disciples`", "disciples = {'modest': modest}"],
    "empty.py:w": ["`disciples`", "{}", "at least one"],
    "number.py:w": ["`disciples`", "3", "a dict"],
    "listed.py:w": ["`evidence`", "list", "a dict"],
    "shop.py:factory --evidence gone.csv": ["gone.csv", "No such file"],
    "shop.py:factory --evidence bad.csv": ["bad.csv", "row 3", "'orders'", "blank"],
    "shop.py:factory --evidence shop.py": [".csv, .json or .nc"],
    "shop.py:factory --out shop.py": ["--out shop.py is a file", "give a folder"],
    "shop.py:factory --out shop.py/deep": ["--out shop.py/deep", "give a folder"],
    "shop.py:factory --draws ten": ["--draws", "'ten'", "a whole number of at least 1"],
    "shop.py:factory --draws 0": ["--draws", "'0'", "at least 1"],
    "shop.py:factory --chains 1.5": ["--chains", "'1.5'", "a whole number"],
    "shop.py:factory --seed -1": ["--seed", "'-1'", "at least 0"],
    "shop.py:factory --tolerance 5%": ["--tolerance", "'5%'", "from 0 to 1"],
    "shop.py:factory --tolerance nan": ["--tolerance", "'nan'", "from 0 to 1"],
    "shop.py:factory --tolerance": ["--tolerance", "expected one argument"],
    "shop.py:factory --draw 5": ["'--draw'", "Did you mean '--draws'?"],
    "": ["WORLD"],
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_clear_line_and_status_2(here, audit, capsys, mistake):
    Path("syntax.py").write_text("disciples = {}\ndef w(:\n")
    Path("missing.py").write_text("'''A world.'''\nimport nowhere_to_be\n")
    Path("leaving.py").write_text("raise SystemExit(0)\n")
    Path("alone.py").write_text("def w(disciple): ...\n")
    Path("empty.py").write_text("def w(disciple): ...\ndisciples = {}\n")
    Path("number.py").write_text("def w(disciple): ...\ndisciples = 3\n")
    Path("listed.py").write_text("def w(disciple): ...\ndisciples = [w]\nevidence = [1]\n")
    Path("bad.csv").write_text("orders,rain\n1,0\n,1\n")
    before = sorted(here.rglob("*.*"))
    status, out, err = run(["audit", *mistake.split()], capsys)
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert len(err) < 400
    for part in MISTAKES[mistake]:
        assert part in err
    assert not audit.asked, "the mistake was seen before the long run"
    assert [f for f in sorted(here.rglob("*.*")) if f.suffix != ".pyc"] == before
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "COMMAND"),
        ("audti", "'audit'"),
        ("worlds factory", "'factory'"),
        ("--verbos", "COMMAND"),
    ],
)
def test_a_wrong_command_is_one_line_too(capsys, line, said):
    status, out, err = run(line.split(), capsys)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert said in err


def test_the_lines_that_answer_different_mistakes_differ(here, audit, capsys):
    lines = [run(["audit", *mistake.split()], capsys)[2] for mistake in MISTAKES]
    assert len(set(lines)) >= len(lines) - 2  # `shop.py` and `shop.py:` are the same mistake


def test_worlds_are_listed_with_what_their_files_say_first(capsys):
    assert main(["worlds"]) == 0
    listed = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert tuple(listed) == zoo.names()
    assert all(len(about) > 20 for about in listed.values())


def test_version_and_help_leave_with_status_0(capsys):
    assert run(["--version"], capsys) == (0, f"counterfactual {__version__}\n", "")
    assert "path/to/file.py:function" in run(["audit", "--help"], capsys)[1]


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "inference.cli", "audit", "factry"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.count("\n") == 1
    assert "'factory'" in ran.stderr


def run(arguments, capsys):
    try:
        status = main(arguments)
    except SystemExit as exit_:
        status = exit_.code
    return status, *capsys.readouterr()
