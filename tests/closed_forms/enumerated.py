"""Has a program, run down every path, the laws that its exact truth says, at any evidence?"""

from inference.exact_worlds import enumerate_worlds


def laws(example, names, **options):
    """Exact laws of the program: {(alternative, disciple): {outcome: probability}}."""
    found = enumerate_worlds(
        example.world,
        example.evidence,
        example.disciples,
        alternatives=example.alternatives,
        progress=False,
        **options,
    )
    values = found["value"].sel(measurement=list(names)).values
    told = {}
    for alternative in found["alternative"].values:
        for disciple in found["disciple"].values:
            chances = found["probability"].sel(alternative=alternative, disciple=disciple).values
            told[str(alternative), str(disciple)] = {
                tuple(outcome): p
                for outcome, p in zip(values.tolist(), chances.tolist(), strict=True)
                if p > 0
            }
    return told


def assert_the_same(law, other, within=2e-6):
    """Compare two laws, outcome by outcome; programs count in single precision."""
    for outcome in {*law, *other}:
        assert abs(law.get(outcome, 0) - other.get(outcome, 0)) <= within, outcome


def assert_lawful(example, **options):
    """Compare all laws with those of `exact`: at the evidence, and at each alternative."""
    truths = {name: example.exact(disciple) for name, disciple in example.disciples.items()}
    told = laws(example, next(iter(truths.values())).names, **options)
    for name, truth in truths.items():
        assert_the_same(told["as it was", "erased"], truth.laws[0])
        assert_the_same(told["as it was", name], truth.laws[1])
        for datum, others in truth.moved.items():
            for place, (off, on) in enumerate(others):
                assert_the_same(told[f"{datum}[{place}]", "erased"], off)
                assert_the_same(told[f"{datum}[{place}]", name], on)
