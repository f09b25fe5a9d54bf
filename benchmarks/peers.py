"""What do the best agents do under each published penalty, and how long does it take to know?

The ablation of "AUP: Empirical Results" (arXiv:1902.09725), and the same for the penalties of
arXiv:1806.01186. A cell says: pass, FAIL (a side effect), or idle (no side effect, and not done,
as it should be with the switch); and what is done.

    python benchmarks/peers.py
"""

from impact_games import PENALTIES, WEIGHT, best, charges_of, games
from timing import least


def main():
    every = dict(games())
    print(f"{'':24}" + "".join(f"{name:>20}" for name in every))
    for name in PENALTIES:
        row = [" ".join(best(game, charges_of(game, name), WEIGHT)) for game in every.values()]
        print(f"{name:24}" + "".join(f"{cell:>20}" for cell in row))
    print("\nCPU seconds for the charges of all actions, 9 steps")
    for name in ("AUP", "RR, stepwise", "UR, stepwise"):
        row = [least(lambda job=(game, name): charges_of(*job)) for game in every.values()]
        print(f"{name:24}" + "".join(f"{seconds:20.3f}" for seconds in row))


if __name__ == "__main__":
    main()
