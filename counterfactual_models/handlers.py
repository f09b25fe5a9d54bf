r"""What inference may do to a world: cut it at the switch, set X, pin values, seed sites.

Pyro keeps its handlers on one stack for the whole process. Every execution of a world therefore
goes through :func:`isolated`, which holds a lock: threads that shared the stack would silently
give different numbers.
"""

import hashlib
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from pyro.poutine.messenger import Messenger
from torch.distributions import Distribution

from counterfactual_models.errors import WorldError
from counterfactual_models.primitives import ROLE

__all__ = [
    "Pin",
    "SeedSites",
    "SetSwitch",
    "Unedited",
    "derive_seed",
    "isolated",
    "past",
    "reseed",
    "seed_torch",
]

_LOCK = threading.RLock()


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Run a world alone in the process, with random numbers of its own.

    Takes the process-wide lock, seeds torch, NumPy and :mod:`random`, and gives the caller's
    random states back afterwards, also after an error.

    Examples
    --------
    >>> with isolated(0):
    ...     first = torch.rand(2)
    >>> with isolated(0):
    ...     assert torch.equal(torch.rand(2), first)
    """
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with _LOCK, torch.random.fork_rng(devices=list(gpus)):
        states = random.getstate(), np.random.get_state()  # noqa: NPY002 (the user's, restored)
        try:
            reseed(seed)
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002


def reseed(seed: int) -> None:
    """Seed torch, NumPy and :mod:`random` anew, inside :func:`isolated` only."""
    seed_torch(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002


def seed_torch(seed: int) -> None:
    """Seed torch's generators in use, inside :func:`isolated` only.

    ``torch.manual_seed`` would format a stack trace each time (2 ms).
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


def derive_seed(*key: Any) -> int:
    """Hash a key to a seed of 63 bits: the same for the same key on every machine.

    Torch's generator on the CPU uses the last 32 of them.

    Examples
    --------
    >>> derive_seed(0, "clips", 3) == derive_seed(0, "clips", 3) != derive_seed(0, "clips", 4)
    True
    """
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class _SwitchReached(BaseException):
    """Unwinds the program from the switch; never leaves :func:`past`.

    No ``Exception``, so that a program's own ``except Exception`` does not swallow it.
    """


class _Cut(Messenger):
    """Stops the program at its switch, before the switch is sampled."""

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        if msg["infer"].get(ROLE) == "switch":
            raise _SwitchReached


def past(world: Callable[..., Any], disciple: Callable[..., Any]) -> Callable[[], None]:
    """Cut a world at its switch: the program of its past, which inference runs.

    The future is never run, so a posterior costs nothing of it and no disciple has a say in it.

    Examples
    --------
    >>> import pyro, pyro.distributions as dist, counterfactual_models as cm
    >>> def world(disciple):
    ...     demand = pyro.sample("demand", dist.Normal(0.0, 1.0))
    ...     act = cm.wire(disciple, idle=0.0)
    ...     pyro.sample("clips", dist.Poisson(act(demand).exp()))
    >>> list(pyro.poutine.trace(past(world, abs)).get_trace().stochastic_nodes)
    ['demand']
    """

    def program() -> None:
        try:
            with _Cut():
                world(disciple)
        except _SwitchReached:
            return

    return program


class Unedited(Messenger):
    """Refuses a world that edits the value of a sample site in place.

    The edit would reach into the evidence, or count twice when the value is used again.
    """

    def __enter__(self) -> Any:
        self._seen: dict[str, tuple[torch.Tensor, int]] = {}
        return super().__enter__()

    def _pyro_post_sample(self, msg: dict[str, Any]) -> None:
        if isinstance(msg["value"], torch.Tensor):
            self._seen[msg["name"]] = msg["value"], msg["value"]._version

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        super().__exit__(kind, error, trace)
        edited = [name for name, (value, before) in self._seen.items() if value._version != before]
        if edited and kind is None:
            raise WorldError(
                f"the world edits site {edited[0]!r} in place; write y = y / 2, not y /= 2."
            )


class SetSwitch(Messenger):
    """Sets the switch X, the same for all draws of the pass: one world a pass. The innermost wins.

    Both worlds in one pass would need a dim of their own, and a reshape that mixes the two says
    "no impact" without a word: a true shift of 1 becomes 0.5 against 0.5.
    """

    def __init__(self, value: int) -> None:
        super().__init__()
        self.value = torch.tensor(float(value))

    def _process_message(self, msg: dict[str, Any]) -> None:
        if msg["type"] != "sample":  # asked once for each site of the world: no look-up by name
            return
        if msg["infer"].get(ROLE) == "switch" and not msg["done"]:
            msg["value"] = self.value
            msg["done"] = True
            msg["infer"]["told"].append(self.value)


class Pin(Messenger):
    """Gives sites the values named; the rest of the world is sampled as it comes.

    ``poutine.substitute`` looks as if it did this, but touches parameters only and silently
    resamples the sites.
    """

    def __init__(self, values: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        self.values = values

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        computed = msg["infer"].get("_deterministic")
        if msg["name"] in self.values and not computed and not msg["done"]:
            msg["value"] = self.values[msg["name"]]
            msg["done"] = True


class SeedSites(Messenger):
    """Seeds each sample site by its name, so that no site shifts another's noise.

    A disciple that draws more numbers, or a rejection sampler that needs one more try, leaves
    the numbers of all other sites as they were: that is what makes shared noise shared.

    Parameters
    ----------
    key
        Hashed together with the site's name.
    strict
        Refuse random numbers drawn outside ``pyro.sample``: nothing could give them to each
        draw separately.
    """

    def __init__(self, *key: Any, strict: bool = False) -> None:
        super().__init__()
        self.key = key
        self._watch = _Generators() if strict else None
        self._foreign = False

    def __enter__(self) -> Any:
        if self._watch is not None:
            self._watch.look("the start", everywhere=True)
        return super().__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        super().__exit__(kind, error, trace)
        if self._watch is not None and kind is None:
            self._watch.refuse("the end", everywhere=True)

    def _pyro_sample(self, msg: dict[str, Any]) -> None:
        drawn = msg["value"] is None
        if self._watch is not None:
            self._foreign = drawn and _is_foreign(msg["fn"])
            self._watch.refuse(f"site {msg['name']!r}", everywhere=self._foreign)
        if drawn:
            seed_torch(derive_seed(*self.key, msg["name"]))

    def _pyro_post_sample(self, msg: dict[str, Any]) -> None:
        if self._watch is not None:
            self._watch.look(f"site {msg['name']!r}", everywhere=self._foreign)


class _Generators:
    """Tells whether random numbers were drawn since it last looked.

    The states of NumPy and :mod:`random` take thirty times as long to read as torch's: they are
    read around sites that may use them by right, and at the end.
    """

    def look(self, where: str, *, everywhere: bool) -> None:
        self.torch, self.since = _torch_state(), where
        if everywhere:
            self.others, self.others_since = _other_states(), where

    def refuse(self, where: str, *, everywhere: bool) -> None:
        since = self.since if where != "the end" and self.torch != _torch_state() else ""
        if everywhere and self.others != _other_states():
            since = since or self.others_since
        if since:
            raise WorldError(
                f"the world draws random numbers outside pyro.sample, between {since} and "
                f"{where}; draw them with pyro.sample(name, distribution)."
            )


def _torch_state() -> bytes:
    return torch.default_generator.get_state().numpy().tobytes()


def _other_states() -> tuple[Any, ...]:
    state = np.random.get_state(legacy=False)["state"]  # noqa: NPY002 (only looked at)
    return state["key"].tobytes(), state["pos"], random.getstate()


def _is_foreign(fn: Any) -> bool:
    """Tell what may draw with NumPy: a distribution written elsewhere, or around another one."""
    known = type(fn).__module__.startswith(("torch.", "pyro."))
    parts = getattr(fn, "__dict__", {}).values()
    return not known or any(isinstance(part, Distribution) for part in parts)
