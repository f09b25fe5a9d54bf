"""How many episodes a second? Against a plain loop over single environments, the same episodes.

Run: OMP_NUM_THREADS=1 python benchmarks/gymnasium_worlds.py. CPU seconds of one thread, the least
of three.
"""

from functools import partial

import gymnasium as gym
import numpy as np
import torch
from timing import least

import inference
from counterfactual_models.environments import from_gymnasium
from counterfactual_models.environments.episodes import Beginning

DRAWS = 4096


def balance(seen):
    return (seen[:, 2] + seen[:, 3] > 0).long()


def down(seen):
    return torch.ones_like(seen)


def loop(name, policy, steps):
    """What a user would write: one episode after the other, rewards summed."""
    env, total = gym.make(name, disable_env_checker=True), []
    for seed in range(DRAWS):
        seen, _ = env.reset(seed=seed)
        env.unwrapped.np_random = gym.utils.seeding.np_random(seed + DRAWS)[0]
        earned = 0.0
        for _ in range(steps):
            action = policy(torch.as_tensor(np.asarray(seen))[None])
            seen, reward, ended, cut, _ = env.step(int(action[0]))
            earned += float(reward)
            if ended or cut:
                break
        total.append(earned)
    env.close()
    return total


def ours(world, policy):
    seeds = np.arange(DRAWS)
    found = world._side_by_side(
        Beginning(seeds, None, seeds + DRAWS), partial(world._future, policy, True)
    )
    return torch.cat([part["reward"] for part in found]).tolist()


def worlds(world, policy):
    past = inference.sample_posterior(world, {}, draws=DRAWS // 4, progress=False)
    return inference.sample_worlds(world, past, {"policy": policy}, progress=False)


if __name__ == "__main__":
    for name, policy, steps in (("CartPole-v1", balance, 100), ("FrozenLake-v1", down, 30)):
        world = from_gymnasium(name, steps=steps, idle=0)
        assert ours(world, policy) == loop(name, policy, steps)
        single, abreast, both = (
            least(partial(run, *given))
            for run, given in (
                (loop, (name, policy, steps)),
                (ours, (world, policy)),
                (worlds, (world, policy)),
            )
        )
        print(
            f"{name}, {steps} steps: {DRAWS / abreast:.0f} draws/s, plain loop "
            f"{DRAWS / single:.0f}: {single / abreast:.1f} x; past and both worlds, held against "
            f"single draws: {both:.1f} s"
        )
