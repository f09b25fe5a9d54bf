"""Does what is installed hold what the repository promises: both packages, types, the command?"""

import importlib.metadata
import re
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import counterfactual_models
from inference.cli import main

ROOT = Path(__file__).parents[1]
PACKAGES = ["counterfactual_models", "inference"]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = CONFIG["project"]
EXTRAS = PROJECT["optional-dependencies"]


def test_the_wheel_is_told_to_hold_both_packages():
    assert CONFIG["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == PACKAGES
    found = sorted(file.parent.name for file in ROOT.glob("*/__init__.py"))
    assert found == PACKAGES, "a package stands in the repository that the wheel leaves out"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_that_it_is_typed(package):
    assert (ROOT / package / "py.typed").is_file()
    assert "Typing :: Typed" in PROJECT["classifiers"]


def test_the_command_is_installed_under_its_name():
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="counterfactual")
    assert command.load() is main
    assert PROJECT["scripts"] == {"counterfactual": command.value}


def test_the_version_is_told_once_and_has_a_changelog_entry():
    assert PROJECT["dynamic"] == ["version"]
    path = CONFIG["tool"]["hatch"]["version"]["path"]
    assert f'__version__ = "{counterfactual_models.__version__}"' in (ROOT / path).read_text()
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest[1] == counterfactual_models.__version__


def test_the_licence_is_there_in_full():
    assert PROJECT["license"] == "Apache-2.0"
    (name,) = PROJECT["license-files"]
    text = (ROOT / name).read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_requirements_are_wellformed_and_their_markers_mean_something(extra):
    texts = EXTRAS[extra] if extra else PROJECT["dependencies"]
    requirements = [Requirement(text) for text in texts]
    unmarked = [r.name for r in requirements if r.marker is None]
    assert len(set(unmarked)) == len(unmarked), "a requirement comes twice"
    for requirement in requirements:
        if requirement.marker is not None:
            answers = {
                requirement.marker.evaluate({"python_version": version})
                for version in ("3.11", "3.12", "3.13")
            }
            assert answers == {True, False}, f"the marker of {requirement} changes nothing"


def test_what_is_installed_here_meets_the_requirements():
    for requirement in map(Requirement, PROJECT["dependencies"]):
        if requirement.marker is None or requirement.marker.evaluate():
            installed = importlib.metadata.version(requirement.name)
            assert requirement.specifier.contains(installed, prereleases=True), str(requirement)
    running = ".".join(map(str, sys.version_info[:3]))
    assert SpecifierSet(PROJECT["requires-python"]).contains(running)


def test_what_the_packages_import_is_required():
    imported = {
        module
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for module in re.findall(r"^\s*(?:import|from) (\w+)", file.read_text(), re.MULTILINE)
    } - {*PACKAGES, *sys.stdlib_module_names}
    known = importlib.metadata.packages_distributions()
    lists = [PROJECT["dependencies"], *(EXTRAS[extra] for extra in ("data", "gymnasium", "scale"))]
    required = {normalised(Requirement(text).name) for texts in lists for text in texts}
    homes = {module: {normalised(name) for name in known.get(module, [])} for module in imported}
    assert {module: home for module, home in homes.items() if home and not home & required} == {}


def test_the_wheel_holds_both_packages_and_nothing_else(tmp_path):
    pytest.importorskip("hatchling", reason="hatchling is needed to build the wheel")
    from hatchling.builders.wheel import WheelBuilder

    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
        (metadata,) = [name for name in held if name.endswith(".dist-info/METADATA")]
        assert f"Version: {counterfactual_models.__version__}\n" in archive.read(metadata).decode()
    assert {name.split("/")[0] for name in held} == {*PACKAGES, metadata.split("/")[0]}
    files = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.suffix in {".py", ".typed"}
    }
    assert files <= held
    assert metadata.replace("METADATA", "licenses/LICENSE") in held
    assert metadata.replace("METADATA", "entry_points.txt") in held


def normalised(name):
    return re.sub(r"[-_.]+", "-", name).lower()
