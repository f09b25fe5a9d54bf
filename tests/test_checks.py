"""check_world finds what is wrong with a world before any long run."""

import pyro
import pyro.distributions as dist
import pytest
import torch

import counterfactual_models as cm
import inference
from counterfactual_models import zoo


def act_once(x):
    return x + 1.0


def ok(disciple):
    base = pyro.sample("base", dist.Normal(0.0, 1.0))
    cm.measure("y", cm.wire(disciple, idle=0.0)(base) + base)


def no_switch(disciple):
    cm.measure("y", pyro.sample("w", dist.Normal(0.0, 1.0)))


def two_switches(disciple):
    cm.wire(disciple, idle=0.0)
    cm.switch("Z")


def switch_in_a_plate(disciple):
    with pyro.plate("city", 2):
        cm.switch()


def collides(disciple):
    act = cm.wire(disciple, idle=0.0)
    cm.measure("y", act(torch.zeros(())))
    cm.measure("y", 1.0)


def leaks_the_name(disciple):
    cm.wire(disciple, idle=0.0)
    cm.measure("y", float(len(disciple.name)))


def leaks_the_action(disciple):
    cm.wire(disciple, idle=0.0)
    cm.measure("y", disciple(torch.zeros(())))


def infinite(disciple):
    act = cm.wire(disciple, idle=0.0)
    cm.measure("y", 1.0 / (act(torch.zeros(())) - 1.0))


def varies_in_shape(disciple):
    act = cm.wire(disciple, idle=0.0)
    n = int(pyro.sample("n", dist.Poisson(3.0)))
    cm.measure("y", torch.zeros(n) + act(torch.zeros(())))


def comes_and_goes(disciple):
    act = cm.wire(disciple, idle=0.0)
    base = pyro.sample("base", dist.Normal(act(torch.zeros(())), 1.0))
    if base > 0:
        cm.measure("y", base)


def draws_by_itself(disciple):
    cm.wire(disciple, idle=0.0)
    cm.measure("y", torch.rand(()))
    cm.measure("z", 0.0)


def fails(disciple):
    cm.wire(disciple, idle=0.0)
    torch.ones(2) @ torch.ones(3)


def takes_nothing():
    pass


def names_an_axis_wrongly(disciple):
    cm.wire(disciple, idle=0.0)
    cm.measure("y", torch.zeros(3), dims=["city", "year"])


@pytest.mark.parametrize(
    ("world", "message"),
    [
        (no_switch, "0 switches; expected exactly one"),
        (two_switches, r"2 switches \['X', 'Z'\]"),
        (switch_in_a_plate, "sits inside a plate"),
        (collides, "two sites named 'y'"),
        (leaks_the_name, "the wire leaks: at X=0 'y'"),
        (leaks_the_action, "asked to act although X=0"),
        (infinite, "'y' is not finite"),
        (varies_in_shape, r"'y' has shape|shape \(\d+,\) in one run"),
        (comes_and_goes, "'y' is there in one run and not in another|'y' is not"),
        (draws_by_itself, "random numbers outside pyro.sample"),
        (fails, r"failed at test_checks.py, line \d+: RuntimeError"),
        (takes_nothing, "failed.*TypeError"),
        (names_an_axis_wrongly, "expected a name for each axis"),
    ],
)
def test_each_mistake_gets_its_own_message(world, message):
    with pytest.raises(cm.CounterfactualError, match=message):
        cm.check_world(world, act_once)


@pytest.mark.parametrize("name", ["gaussian", "factory"])
def test_the_worlds_of_the_zoo_pass(name):
    example = zoo.load(name)
    for disciple in example.disciples.values():
        cm.check_world(example.world, disciple)


def test_what_is_found_can_be_read():
    shown = str(cm.check_world(ok, act_once))
    assert shown.splitlines() == [
        "past         base",
        "switch       X",
        "future       -",
        "measured     y",
    ]


@pytest.mark.parametrize("name", ["chain", "disciple", "X", "measurement"])
def test_names_that_the_result_needs_are_refused(name):
    def world(disciple):
        act = cm.wire(disciple, idle=0.0, name="switch")
        cm.measure(name, act(torch.zeros(())))

    with pytest.raises(cm.WorldError, match="a name that the result needs"):
        inference.sample_posterior(world, progress=False)


def test_an_unknown_world_of_the_zoo_is_answered_with_the_nearest():
    with pytest.raises(cm.WorldError, match="Did you mean 'factory'"):
        zoo.load("factry")
