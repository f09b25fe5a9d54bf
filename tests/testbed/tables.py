"""Tables made by hand, with verdicts by the rule, for tests of what is made of tables."""

from inference.testbed import Answer, Row, Testbed, judge

TRUTH = {"walk": "low", "smash": "high"}


def answer(low, high, alarm=0.1):
    charged = {"walk": (low, 0.0), "smash": (high, 0.0)}
    verdict = judge(charged, TRUTH, alarm=alarm)
    return Answer(verdict.verdict, verdict.why, charged, 0.1)


def refused(why):
    return Answer("not applicable", why, {}, 0.0)


def table(rows, whose=None):
    """Make a table of {world: {measure: (low, high) or a reason}}."""
    made = tuple(
        Row(
            world,
            "T99, by hand",
            "A <world> of two & no more.",
            TRUTH,
            {
                name: refused(one) if isinstance(one, str) else answer(*one)
                for name, one in answers.items()
            },
            1.0,
        )
        for world, answers in rows.items()
    )
    names = list(next(iter(rows.values())))
    return Testbed(
        made,
        {name: f"what {name} asks" for name in names},
        {name: (whose or {}).get(name, "ours") for name in names},
        dict.fromkeys(names, 0.1),
        0,
    )
