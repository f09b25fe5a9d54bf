"""What every test runs under: no screen, two sizes of Hypothesis, and a guard of global state.

A test may reseed; it may not leave a dtype, a handler, a parameter, a setting or a figure behind.
"""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["MPLBACKEND"] = "Agg"
# Tests share worlds with known answers: `from closed_forms.linear_gaussian import LinearGaussian`.
# Last on the path, so that no folder of tests stands before a package of the same name.
sys.path.append(str(Path(__file__).parent))

settings.register_profile("fast", max_examples=25, deadline=None, derandomize=True, database=None)
settings.register_profile("thorough", max_examples=1000, deadline=None, print_blob=True)
settings.load_profile("fast")  # pytest --hypothesis-profile=thorough asks for the other

# A library that a test is the first to import is held against these.
CLEAN = {
    "torch default dtype": "float32",
    "torch grad mode": True,
    "pyro handler stack": [],
    "pyro param store": {},
    "open figures": [],
}


@pytest.fixture(autouse=True)
def leaves_no_trace():
    before = CLEAN | state()
    yield
    after = state()
    leaks = [name for name, value in after.items() if value != before.get(name, value)]
    if leaks:
        restore(before)
        pytest.fail(f"the test leaves global state changed: {', '.join(leaks)}.", pytrace=False)


def state():
    """What is global in the libraries that are loaded; loads none."""
    found = {}
    if "torch" in sys.modules:
        import torch

        found["torch default dtype"] = str(torch.get_default_dtype()).removeprefix("torch.")
        found["torch grad mode"] = torch.is_grad_enabled()
    if "pyro" in sys.modules:
        import pyro
        from pyro.poutine.runtime import _PYRO_STACK

        found["pyro handler stack"] = list(_PYRO_STACK)
        found["pyro param store"] = {k: v.tolist() for k, v in pyro.get_param_store().items()}
        found["pyro settings (validation among them)"] = pyro.settings.get()
    if "matplotlib" in sys.modules:
        import matplotlib as mpl

        rc = dict(mpl.rcParams.copy())  # without the backend: pyplot settles it on first use
        found |= {f"rcParams[{key!r}]": value for key, value in rc.items() if key != "backend"}
    if "matplotlib.pyplot" in sys.modules:
        import matplotlib.pyplot as plt

        found["open figures"] = plt.get_fignums()
    return found


def restore(before):
    """Clean up, so that only the test that leaks fails and not those after it."""
    if "torch" in sys.modules:
        import torch

        torch.set_default_dtype(getattr(torch, before["torch default dtype"]))
        torch.set_grad_enabled(before["torch grad mode"])
    if "pyro" in sys.modules:
        import pyro
        from pyro.poutine.runtime import _PYRO_STACK

        _PYRO_STACK.clear()
        pyro.clear_param_store()
        pyro.settings.set(**before.get("pyro settings (validation among them)", {}))
    if "matplotlib.pyplot" in sys.modules:
        import matplotlib.pyplot as plt

        for number in set(plt.get_fignums()) - set(before["open figures"]):
            plt.close(number)
    if "matplotlib" in sys.modules:
        import matplotlib as mpl

        keys = {key: f"rcParams[{key!r}]" for key in mpl.rcParams}
        mpl.rcParams.update({k: before[name] for k, name in keys.items() if name in before})
