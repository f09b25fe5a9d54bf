"""What do the worlds of all disciples share, and what is to be drawn of each?"""

import hashlib
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import xarray as xr

from counterfactual_models.anatomy import Anatomy, Site, dissect
from counterfactual_models.checks import erased_values, refuse_leak
from counterfactual_models.disciples import Disciple, erased, gather
from counterfactual_models.errors import DiscipleError, ImpactWarning, WorldError, nearest
from counterfactual_models.handlers import SetSwitch
from inference import schema
from inference.posterior.question import match_evidence, world_hash, world_name
from inference.simulation import Plan, Program, block_size

__all__ = ["WorldPlans", "matched_disciples", "warn_of_other_policies"]


class WorldPlans:
    """The past, shared by all; and a plan for each disciple, the erased one first.

    Everything that can be refused is refused here, before anything long is run.

    Parameters
    ----------
    world, posterior, everyone, futures, seed, coupling
        As in ``sample_worlds``; `everyone` begins with ``erased``.
    roles
        Which sites to record: ``measurement``, and ``future`` where draws are kept.

    Attributes
    ----------
    plans
        What is drawn, one for each of `everyone`.
    pins
        Latent -> its draws, first axis = draws.
    chains, draws
        Chains, and draws of all chains together.
    whole
        Sites of the erased world.
    recorded, later
        Sites that are recorded, and evidence sites after the switch.
    attrs
        Attributes of the posterior.
    """

    def __init__(
        self,
        world: Callable[..., Any],
        posterior: xr.DataTree,
        everyone: Sequence[Disciple],
        *,
        futures: int,
        seed: int,
        coupling: str,
        roles: Sequence[str] = ("measurement", "future"),
    ) -> None:
        self.world, self.posterior, self.everyone = world, posterior, list(everyone)
        self.futures, self.seed, self.coupling = futures, seed, coupling
        if not isinstance(posterior, xr.DataTree):
            raise WorldError(
                f"got {type(posterior).__name__!r}; expected the tree that "
                "sample_posterior(world, evidence) returned, evidence and all."
            )
        self.whole = dissect(world, erased)
        self.attrs = schema.decode_attrs(posterior.attrs)
        self._refuse_another_world()
        observed = posterior["observed_data"].to_dataset()
        given = {str(n): v.values for n, v in observed.items() if n not in self.whole.data}
        self.evidence = match_evidence(self.whole, given)
        self.known = {*self.evidence, *self.whole.data}
        self.later = [n for n in self.whole.sites if n in self.known and n in self.whole.future]
        self.pins, self.chains, self.draws = self._pins()
        self.recorded = [
            name
            for name, site in self.whole.sites.items()
            if site.role in roles and not site.auxiliary and name not in self.known
        ]
        off = erased_values(world, seed=seed)
        self.plans = [self._plan(disciple, off) for disciple in self.everyone]

    @property
    def names(self) -> list[str]:
        """Names of the worlds, in order."""
        return [disciple.name for disciple in self.everyone]

    @property
    def shape(self) -> list[int]:
        """Lengths of chain, draw, and future where there are several."""
        lead = [self.chains, self.draws // self.chains]
        return lead + ([self.futures] if self.futures > 1 else [])

    @property
    def lead(self) -> list[str]:
        """Names of these dims."""
        dims = [schema.CHAIN, schema.DRAW]
        return dims + ([schema.FUTURE] if self.futures > 1 else [])

    def site(self, name: str) -> Site:
        """Look up a site of the erased world."""
        return self.whole.sites[name]

    def dtype(self, name: str) -> np.dtype:
        """Say which type holds the values of a site in every world."""
        kinds = [plan.program.anatomy.sites[name].value for plan in self.plans]
        return np.result_type(*(torch.empty(0, dtype=k.dtype).numpy().dtype for k in kinds))

    def question(self) -> dict[str, str]:
        """Say in a few words what is asked, to tell whether two runs ask the same."""
        past = hashlib.sha256()
        for name, values in sorted(self.pins.items()):
            past.update(name.encode() + str((values.shape, values.dtype)).encode())
            past.update(values.tobytes())
        data = hashlib.sha256()
        for name, value in sorted(self.evidence.items()):
            data.update(name.encode() + value.cpu().numpy().tobytes())
        return {
            "world": world_hash(self.world),
            "posterior": past.hexdigest()[:16],
            "chains and draws": f"{self.chains} x {self.draws // self.chains}",
            "evidence": data.hexdigest()[:16],
            "disciples": ", ".join(f"{d.name} {world_hash(d.policy)}" for d in self.everyone[1:]),
            "seed": str(self.seed),
            "futures": str(self.futures),
            "coupling": self.coupling,
            "torch": torch.__version__,
        }

    def _refuse_another_world(self) -> None:
        for group in ("posterior", "observed_data"):
            if group not in self.posterior.children:
                raise WorldError(
                    f"this tree has the groups {list(self.posterior.children)} and no {group!r}; "
                    "expected what sample_posterior(world, evidence) returned."
                )
        if self.attrs.get("world_hash") not in (None, world_hash(self.world)):
            warnings.warn(
                f"the posterior was drawn for another text, or other arguments, of world "
                f"{self.attrs.get('world')!r}; draw it again unless the past is unchanged.",
                ImpactWarning,
                stacklevel=4,
            )

    def _pins(self) -> tuple[dict[str, np.ndarray], int, int]:
        found = self.posterior["posterior"].to_dataset()
        sites = {n: s for n, s in self.whole.named("past").items() if n not in self.known}
        if set(sites) != set(map(str, found.data_vars)):
            raise WorldError(
                f"the posterior holds the latents {sorted(map(str, found.data_vars))}, and the "
                f"past of world {world_name(self.world)!r} has {sorted(sites)}: draw the "
                "posterior of this very world."
            )
        if not sites:
            shape = self.attrs.get("shape", [4, 1000])
            return {}, int(shape[0]), int(shape[0]) * int(shape[1])
        pins = {}
        for name, site in sites.items():
            values = found[name].transpose(schema.CHAIN, schema.DRAW, ...).values
            if values.shape[2:] != tuple(site.value.shape):
                raise WorldError(
                    f"the posterior holds {name!r} with shape {values.shape[2:]} a draw, and the "
                    f"world samples it with shape {tuple(site.value.shape)}: draw the posterior "
                    "of this very world."
                )
            flat = torch.from_numpy(np.array(values)).reshape(-1, *values.shape[2:])
            pins[name] = flat.to(site.value.dtype).numpy()
        chains = found.sizes[schema.CHAIN]
        return pins, chains, chains * found.sizes[schema.DRAW]

    def _plan(self, disciple: Disciple, off: dict[str, Any]) -> Plan:
        program = self._program(disciple, off)
        tag = disciple.name if self.coupling == "independent" else "shared"
        return Plan(
            program,
            self.draws,
            (self.seed, "worlds", tag),
            self.recorded,
            self.later,
            block_size(self.whole, scored=bool(self.later)),
            self.futures,
        )

    def _program(self, disciple: Disciple, off: dict[str, Any]) -> Program:
        on = int(disciple is not erased)
        anatomy = dissect(self.world, disciple, on=on) if on else self.whole
        if on:
            refuse_leak(self.world, disciple, off, seed=self.seed)
            _compare(self.whole, anatomy, disciple, self.recorded)
        call = SetSwitch(on)(partial(self.world, disciple))
        what = f"the world with disciple {disciple.name!r}" if on else "the erased world"
        return Program(call, anatomy, self.evidence, what)


def matched_disciples(disciples: Any, names: Sequence[str]) -> list[Disciple]:
    """Sort disciples as the worlds have them; all of them must be there, and no others.

    Parameters
    ----------
    disciples
        Those that are given now, as for ``sample_worlds``.
    names
        Those of the worlds, without ``erased``.

    Raises
    ------
    DiscipleError
        If one is missing on either side; the nearest name is offered.

    Examples
    --------
    >>> [found.name for found in matched_disciples({"bold": abs, "calm": abs}, ["calm", "bold"])]
    ['calm', 'bold']
    """
    given = {disciple.name: disciple for disciple in gather(disciples)}
    for name in names:
        if name not in given:
            raise DiscipleError(
                f"the worlds have a disciple {name!r} that is not given. {nearest(name, given)}"
            )
    for name in given:
        if name not in names:
            raise DiscipleError(f"the worlds have no disciple {name!r}. {nearest(name, names)}")
    return [given[name] for name in names]


def warn_of_other_policies(
    attrs: Mapping[str, Any], everyone: Iterable[Disciple], *, stacklevel: int
) -> None:
    """Warn of disciples who are not those that worlds were drawn for, by their policies.

    Parameters
    ----------
    attrs
        Of the root of the tree of worlds; one that says nothing of policies is let be.
    everyone
        The disciples that are given now; ``erased`` has no policy.
    stacklevel
        As in ``warnings.warn``, from the caller.

    Warns
    -----
    ImpactWarning
        If the source of a policy, or what is bound to it, is another.

    Examples
    --------
    >>> from counterfactual_models.disciples import Disciple
    >>> warn_of_other_policies({}, [Disciple(abs, "calm")], stacklevel=1)
    """
    known = schema.decode_attrs(attrs).get("disciple_hashes", {})
    others = [d.name for d in everyone if known.get(d.name, "") not in ("", world_hash(d.policy))]
    if others:
        warnings.warn(
            f"the worlds were drawn for another text, or other arguments, of the disciples "
            f"{others}; draw the worlds again unless they act as before.",
            ImpactWarning,
            stacklevel=stacklevel + 1,
        )


def _compare(
    whole: Anatomy, anatomy: Anatomy, disciple: Disciple, recorded: Sequence[str]
) -> None:
    """Hold the sites of a disciple's world against those of the erased world."""
    for name in recorded:
        if name not in anatomy.sites:
            raise WorldError(
                f"{name!r} is there when the disciple is erased and not when {disciple.name!r} is "
                "let in; measure the same things in both worlds."
            )
        on, off = anatomy.sites[name].value.shape, whole.sites[name].value.shape
        if on != off:
            raise WorldError(
                f"{name!r} has shape {tuple(on)} with disciple {disciple.name!r} and "
                f"{tuple(off)} when erased; expected the same shape in both worlds."
            )
    for name in {**whole.sites, **anatomy.sites}:
        here, there = whole.sites.get(name), anatomy.sites.get(name)
        if here and there and (here.observed, here.computed) != (there.observed, there.computed):
            raise WorldError(
                f"{name!r} is observed, or computed, only in one of the worlds with "
                f"{disciple.name!r} let in and erased; do the same in both."
            )
        if (here is None) == (there is None):
            continue
        site = here or there
        assert site is not None
        if site.role == "future" and not site.observed:
            continue  # what a disciple samples for itself is its own affair
        kind = "measured" if site.role == "measurement" else "there"
        raise WorldError(
            f"{name!r} is {kind} only when {disciple.name if there else 'erased'!r} is let in; "
            "measure, sample and observe the same things in both worlds."
        )
