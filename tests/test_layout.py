"""Is every file of the two packages written as STYLE asks: short, documented, lazy, absolute?"""

import ast
import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    file
    for package in ("counterfactual_models", "inference")
    for file in (ROOT / package).rglob("*.py")
)
HEAVY = {"arviz", "arviz_base", "arviz_plots", "matplotlib", "pandas", "pyro", "torch", "xarray"}

every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))


@every_file
def test_a_file_opens_with_its_question_or_role(file):
    first = (ast.get_docstring(ast.parse(file.read_text()), clean=False) or "").split("\n")[0]
    assert first.strip() == first != "", "the docstring's first line says what the file is for"
    assert first[-1] in ".?:", "the first line is a sentence"


@every_file
def test_a_file_has_at_most_400_lines_and_a_function_80(file):
    text = file.read_text()
    assert len(text.splitlines()) <= 400
    functions = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    lengths = {node.name: node.end_lineno - node.lineno + 1 for node in functions}
    assert {name: lines for name, lines in lengths.items() if lines > 80} == {}


@every_file
def test_a_file_is_named_after_what_it_holds(file):
    assert file.stem not in {"base", "common", "core", "helpers", "misc", "util", "utils"}


@every_file
def test_imports_are_absolute(file):
    imports = [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.ImportFrom)]
    assert [node.lineno for node in imports if node.level] == []


@every_file
def test_what_a_file_offers_is_sorted_there_and_documented(file):
    module = importlib.import_module(module_name(file))
    offered = getattr(module, "__all__", None)
    assert offered is not None, "the file has no __all__"
    assert list(offered) == sorted(offered, key=isort_key)
    assert len(set(offered)) == len(offered)
    for name in offered:
        value = getattr(module, name)
        documented = not callable(value) or (value.__doc__ or "").strip()
        assert documented, f"{name} has no docstring"


@every_file
def test_what_a_file_defines_in_public_is_offered(file):
    tree = ast.parse(file.read_text())
    defined = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }
    assert defined <= set(importlib.import_module(module_name(file)).__all__)


@pytest.mark.parametrize("statement", ["import inference", "import counterfactual_models"])
def test_importing_a_package_loads_nothing_heavy(statement):
    assert loaded_by(statement) & HEAVY == set()


@pytest.mark.parametrize(
    "statement",
    ["import inference.cli", "from inference.cli import main; main(['worlds'])"],
    ids=["import", "worlds"],
)
def test_the_command_loads_nothing_heavy_until_a_world_is_run(statement):
    assert loaded_by(statement) & HEAVY == set()


def test_a_function_wins_over_the_module_of_its_name_whichever_comes_first():
    code = (
        "import inference.auditing; assert callable(inference.audit), 'a module, not the function'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


LEAKS = """
import matplotlib.pyplot as plt, pyro, pytest, torch

def test_nothing(): pyro.set_rng_seed(0)
def test_dtype(): torch.set_default_dtype(torch.float64)
def test_grad(): torch.set_grad_enabled(False)
def test_stack(): pyro.poutine.mask(mask=False).__enter__()
def test_param(): pyro.param("weight", torch.ones(2))
def test_validation(): pyro.enable_validation(False)
def test_figure(): plt.figure()
def test_style(): plt.rcParams["lines.linewidth"] = 9.0
def test_nothing_again(): assert torch.ones(()).dtype == torch.float32
"""


def test_the_guard_fails_whoever_leaks_and_no_one_else(tmp_path):
    shutil.copy(Path(__file__).with_name("conftest.py"), tmp_path)
    (tmp_path / "test_leaks.py").write_text(LEAKS)
    command = [sys.executable, "-m", "pytest", "-q", "-rE", "-p", "no:cacheprovider", "."]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    blamed = [
        line.split("::")[1].split()[0] for line in ran.stdout.splitlines() if "ERROR t" in line
    ]
    assert blamed == [
        f"test_{leak}"
        for leak in ("dtype", "grad", "stack", "param", "validation", "figure", "style")
    ]


def module_name(file):
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def isort_key(name):
    """Ruff's order of `__all__`: CONSTANTS, then Classes, then the rest."""
    return (not name.isupper(), not name[:1].isupper(), name)


def loaded_by(statement):
    code = f"{statement}\nimport sys; print('LOADED', *{{m.split('.')[0] for m in sys.modules}})"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(ran.stdout.splitlines()[-1].split())
