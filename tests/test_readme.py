"""Everything shown is run: the README in order at smoke size, CONTRIBUTING's templates whole."""

import doctest
import re
import shlex
import types
from pathlib import Path

import pytest

import inference
from inference.cli import main

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN = ("bibtex", "csv", "json", "mermaid", "text", "toml")  # languages with nothing to run
SET_UP = (
    "cd",
    "git",
    "pip",
    "pip3",
    "python",
    "python3",
    "source",
    ".",
)  # done before a test runs
DRAWS = 100


def blocks(file):
    """Language and text of each fenced block of a file, in order, with its line number."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return [
        (match[1], match[2], 1 + text[: match.start()].count("\n"))
        for match in FENCE.finditer(text)
    ]


def commands():
    return [
        line.removeprefix("$ ")
        for language, text, _ in blocks("README.md")
        if language == "console"
        for line in re.sub(r"\\\n\s*>?\s*", "", text).splitlines()
        if line.startswith("$ ")
    ]


@pytest.mark.parametrize("file", ["README.md", "CONTRIBUTING.md"])
def test_no_block_escapes_by_its_label(file):
    languages = {language for language, *_ in blocks(file)}
    assert languages - {"python", "console", *SHOWN} == set(), "label it python, console or text"
    assert "python" in languages
    assert "console" in languages
    fences = re.findall(r"^ *(?:```|~~~)", (ROOT / file).read_text(), re.MULTILINE)
    assert len(fences) == 2 * len(blocks(file)), "a fence is indented, unclosed or made of ~~~"


def test_every_command_shown_is_one_that_is_checked():
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for command in commands():
        program, *arguments = shlex.split(command, comments=True)
        if program == "make":
            assert {a for a in arguments if "=" not in a} <= set(targets), command
        else:
            assert program in {"counterfactual", *SET_UP}, f"nothing checks: $ {command}"


def test_the_readme_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    """Python blocks share a namespace; one that opens with `# name.py` is also that file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SMOKE", "1")
    small_by_default(monkeypatch)
    namespace = {"__name__": "readme"}
    for language, text, line in blocks("README.md"):
        if language == "python":
            named = re.match(r"# (\w+\.py)\n", text)
            file = tmp_path / (named[1] if named else f"readme_line_{line}.py")
            file.write_text(small(text), encoding="utf-8")
            exec(compile(small(text), str(file), "exec"), namespace)  # a file: it has a source
        named = re.match(r"# (\w+\.csv)\n", text) if language == "csv" else None
        if named:
            (tmp_path / named[1]).write_text(text.partition("\n")[2], encoding="utf-8")
    for command in commands():
        program, *arguments = shlex.split(command, comments=True)
        if program == "counterfactual":
            assert status_of(smaller(arguments)) == 0, f"$ {command}\n{capsys.readouterr().err}"
    close_figures()


def templates():
    return [text for language, text, _ in blocks("CONTRIBUTING.md") if language == "python"]


@pytest.mark.parametrize("number", range(3), ids=["world", "diagnostic", "plot"])
def test_a_template_of_contributing_runs_with_its_examples(number, tmp_path):
    assert len(templates()) == 3
    file = tmp_path / "template.py"
    file.write_text(templates()[number], encoding="utf-8")
    module = types.ModuleType("template")
    exec(compile(templates()[number], str(file), "exec"), vars(module))
    assert module.__doc__
    assert set(module.__all__) <= set(vars(module))
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for found in doctest.DocTestFinder().find(module, module=module):
        runner.run(found)
    close_figures()
    tried = runner.summarize(verbose=False)
    assert tried.failed == 0
    assert tried.attempted > 0, "the template shows no example"


def small(text):
    """The same code with few draws, wherever it says how many."""
    return re.sub(r"\bdraws=(\d[\d_]*)", lambda m: f"draws={min(int(m[1]), DRAWS)}", text)


def smaller(arguments):
    """The same command with few draws, if it is one that draws."""
    if arguments[:1] != ["audit"] or "--help" in arguments:
        return arguments
    return [*arguments, "--draws", str(DRAWS)]  # the last one counts


def small_by_default(monkeypatch):
    for function in (inference.audit, inference.sample_posterior):
        monkeypatch.setitem(function.__kwdefaults__, "draws", DRAWS)


def status_of(arguments):
    try:
        return main(arguments)
    except SystemExit as left:
        return left.code or 0


def close_figures():
    import matplotlib.pyplot as plt

    plt.close("all")
