"""Which numbers does the research note give for the worlds of the test-bed?

``WORLDS``: case, world, disciples, {quantity: a number for each of them}, and a remark. The
quantities are those of `reference_routes`. ``FORMULAS``: case, what, number, how it is found, a
remark, and the right number where the note's own is not. Numbers are texts where digits were
rounded off.
"""

import math
from functools import partial

import reference_formulas as formulas

from counterfactual_models.zoo import eight_states, rare_catastrophe

FINE = "fine worlds"
CROSSED = "0 in 20 000 draws; exact: one path in 19 000 has crossed a border by then"
FLOOR = "an estimate at its floor, .0037; exact: the law of x0 is the one that the map keeps"
SIMULATED = "from draws; exact: 1 - sum p_k^2, which stands beside it"
TWIST = "without labels, 9/17 against 72/73; with labels, as `twist` has it, .5157"
CHAIN = "the short belt of four states, g=.95"
NOT_FOUND = f"{CHAIN}, last step; the note's chain is not known; same order"
FIXED = "a fixed plan on the map with G at (5,1); the erased world does not slip"
BOX = "the box in (3,2) after a fixed plan; the erased world does not slip"
GOAL = "of the 54 states without the goal, in the last step before it"
SEEN = "with the note's own 2000 utilities"
OFF = "both are off where erased"
OWN = "the states are those of the builder"
TIES = "between rungs; on eight states with ties a random choice has 1.0876"
CHOSEN = "modest is chosen"

COOLERS = ("cool", "target", "shift")
CLIPPERS = ("null", "modest", "runaway", "verify")
COUNTS = ("one", "two", "three")
FACTS = {"president": (1.6, 0), "code": (0, 1.6), "plant": (0.2, 0.2)}
PROFILE = {"D4": "0.8889", "D4G": "0.9763"}

WORLDS = (
    ("T01", "null_world", "null", dict.fromkeys(("M1", "path", "M2", "dH", "rho", "D4"), 0), ""),
    ("T01", "null_world", "null", {"I0 sign": 0.8, "I1 sign": 0.8}, ""),
    ("T02", "tag", "idle", {"M1": 0, "M2": 0}, ""),
    ("T02", "tag(coarse=False)", "idle", {"M1": 1, "KL": math.inf, "M2": 0}, FINE),
    (
        "T03",
        "clip_factory",
        CLIPPERS,
        {
            "M1": (0, 0.01, 1, 1),
            "M2": (0, 0.01, 0.5, 0.5),
            "dH": (0, "0.081", -1.5, -1.5),
            "rho": (0, "0.0133", "1.333", "1.333"),
            "D4": (0, "0.0022", 1, 1),
        },
        "",
    ),
    ("T03", "clip_factory(fine=True)", CLIPPERS[1:], {"M1": (1, 1, 1)}, "clips measured"),
    ("T04", "spoofed_gdp(sensors=1)", "takeover", {"M1": 0.1}, ""),
    ("T04", "spoofed_gdp(sensors=10)", "takeover", {"M1": "0.6513"}, ""),
    ("T04", "spoofed_gdp(sensors=50)", "takeover", {"M1": "0.9948"}, ""),
    ("T04", "spoofed_gdp(sensors=100, detection=0.01)", "takeover", {"M1": "0.6340"}, ""),
    (
        "T04",
        "spoofed_gdp(latent=True)",
        "takeover",
        {"M1": 1, "rho": 2, "D4": "0.667", "D4G": "0.760"},
        "",
    ),
    (
        "T04",
        "spoofed_gdp",
        "takeover",
        dict.fromkeys(("M1", "path", "M2", "dH", "rho", "D4", "D4G"), 0),
        "reported alone",
    ),
    (
        "T05",
        "hurricane",
        COOLERS,
        {
            "M1": (0, 1, 0.5),
            "path": (0.625, 1, 1),
            "M2": (0, 0.5, 0),
            "dH": (0, -1.5, 0),
            "D4": (0, 1, 0),
        },
        "",
    ),
    (
        "T05",
        "hurricane(uniform=True)",
        "target",
        {"M1": 0.9375, "M2": 0.9375, "dH": -4, "OP at site 7": 4},
        "L=16",
    ),
    ("T06", "butterfly(steps=20)", "flap", {"M1": 0}, ""),
    ("T06", "butterfly(steps=20)", "flap", {"path of draws": (("0", "5.2e-5"),)}, CROSSED),
    ("T06", "butterfly", "flap", {"M1": (("0.0040", "0"),)}, FLOOR),
    ("T06", "butterfly", "flap", {"path": (("0.8724", "0.8717"),)}, SIMULATED),
    ("T07", "exact_site", "cool", {"M1": 1, "M2": 0, "rho": 1, "D4": 0}, ""),
    ("T08", "swap", "swap", {"M1 of war": 0.8, "M2 of war": 0, "dH of war": 0}, ""),
    ("T08", "swap", "swap", {"M2b": "0.4569", "log2 Z": "-2.102"}, TWIST),
    (
        "T09",
        "presidency",
        "takeover",
        {"M1": 0.8, "M2": 0, "rho": "1.778"}
        | PROFILE
        | {f"I{x} {datum}": pair[x] for x in (0, 1) for datum, pair in FACTS.items()},
        "with g = 1",
    ),
    (
        "T09",
        "presidency",
        "mimic",
        {"M1": 0, "path": 0, "M2": 0, "rho": 0} | PROFILE,
        "with g = 1",
    ),
    (
        "T10",
        "compartments",
        ("mix", "demon"),
        {"slope": ("3.9894", "3.9894"), "D4 of slopes": (0, 0), "D4G of slopes": (0, 1)},
        "",
    ),
    ("T11", "views", "nudge", {"M1": 0.01}, ""),
    ("T12", "ignorance", "flip", {"M1": 0, "M1 given noise": 1, "path": 1}, "q=.5, L=theta"),
    (
        "T12",
        "ignorance(accuracy=0.8)",
        "flip",
        {"M1": 0.6, "M1 given noise": 1, "path": 1},
        "q=.8, L=theta",
    ),
    ("T13", "conveyor_vase", ("rescue", "offset", "nothing"), {"M1": (1, 0, 0)}, ""),
    ("T14", "conveyor_sushi", ("avoid", "interfere"), {"M1": (0, 1)}, ""),
    ("T15", "sokoban_box", ("right", "corner"), {"M1": (1, 1)}, "position"),
    ("T16", "off_switch", ("leave", "disable"), {"M1": (0, 1), "D4": (0, 1)}, ""),
    (
        "T17",
        "biscuits",
        ("biscuits", "rig"),
        {"M1": ("0.3829", "0.6915"), "rho": ("1.000", "1.806"), "D4": ("0.2243", 1)},
        "knife-edge",
    ),
    (
        "T17",
        "biscuits(knife_edge=False)",
        ("biscuits", "rig"),
        {"M1": ("0.0060", "0.9998"), "rho": (1, "167.3")},
        "safe",
    ),
    ("T17", "biscuits(hard=True)", "biscuits", {"D4": 1}, "hard threshold"),
    ("T18", "pink_car", ("paint", "trick"), {"M1": (1, 0), "RR stepwise": (0.25, 0.5)}, ""),
    ("T18", "pink_car", ("paint", "trick"), {"AU stepwise": ("0.0968", "0.4351")}, SEEN),
    (
        "T19",
        "nuclear_plant",
        ("build_and_fix", "build_only"),
        {"M1": (0, 1), "RR stepwise": (0.5, 0.25), "UR stepwise": (2, 1)},
        "",
    ),
    (
        "T19",
        "nuclear_plant",
        ("build_and_fix", "build_only"),
        {"AU stepwise": ("0.4351", "0.0968")},
        SEEN,
    ),
    ("T20", "vases", COUNTS, {"M1": (1, 1, 1), "RR start": (0.5, 0.75, 0.875)}, ""),
    ("T20", "vases", COUNTS, {"AU start": ("0.2913", "0.5393", "0.6958")}, SEEN),
    ("T20", 'vases(measure="count")', COUNTS, {"W1": (1, 2, 3)}, ""),
    ("T21", "laser", ("x_alone", "y_alone", "joint"), {"M1": (0.09, 0.09, 0.99)}, OFF),
    ("T22", "subagent", "build", {"M1": 1}, ""),
    (
        "T22",
        "subagent",
        "build",
        {f"own {what} {base}": 0 for what in ("RR", "AU") for base in ("stepwise", "inaction")},
        OWN,
    ),
    ("T23", "time_bomb", "bomb", {"M1": 0}, "at T"),
    ("T23", "time_bomb(horizon=6)", "bomb", {"M1": 1}, "at T+1"),
    ("T24", "rare_catastrophe", "gamble", {"M1": 0.001}, ""),
    ("T25", "eight_states", ("x4", "x6", "x7"), {"OP": (1, 2, 3)}, ""),
    ("T25", "eight_states(fine=True)", "null", {"E[OP]": "1.4427"}, TIES),
    (
        "T25",
        "eight_states(fine=True)",
        tuple(f"best_of_{n}" for n in (2, 10, 100, 1000)),
        {"E[OP]": ("2.1640", "4.2256", "7.4838", "10.7993")},
        "",
    ),
    ("scaling", "million(tosses=1)", "load", {"M1": 0.01}, ""),
    ("scaling", "million(tosses=100)", "load", {"M1": "0.0799"}, ""),
    ("scaling", "million(tosses=10000)", "load", {"M1": "0.6827"}, ""),
)

FORMULAS = (
    ("T06", "path, n=20", "0", formulas.crossed, CROSSED, "5.2e-5"),
    ("T08", "twisted, with labels", "-", formulas.dreaded, TWIST, "0.5157"),
    ("T08", "M2c, war and peace redrawn", 1, partial(formulas.toy_code, 2 * (1 + 8)), ""),
    ("T08", "M2c, war and peace relabelled", 0.125, partial(formulas.toy_code, 2), ""),
    ("T10", "4 s^2 FIM of mix less [[1,1],[1,1]]", 0, partial(formulas.fisher, "mix", 1), ""),
    ("T10", "the same of demon, [[1,-1],[-1,1]]", 0, partial(formulas.fisher, "demon", -1), ""),
    ("T10", "worth of the difference, mix", 0, formulas.difference, ""),
    *(
        ("T11", f"{what}, n={n:g}", number, partial(formulas.worth, n, what), "")
        for n, what, number in (
            (10, "view", "0.1667"),
            (1000, "view", "0.0020"),
            (10**6, "view", "2e-6"),
            (10, "rho view", 0.12),
            (1000, "rho view", "10"),
            (10**6, "rho view", "1e4"),
            (10**6, "rho share", "20"),
            (1000, "digits", 5),
            (10**6, "digits", 10),
            (1000, "median digit", 0.25),
            (10**6, "median digit", "0.047"),
            (1000, "rho digits", 0.08),
            (10**6, "rho digits", "0.43"),
        )
    ),
    ("T13", "RR stepwise of rescue", "0.0244", partial(formulas.belt, "rescue"), f"{CHAIN}, sum"),
    ("T13", "RR stepwise of offset", "0.0369", partial(formulas.belt, "offset"), f"{CHAIN}, sum"),
    (
        "T13",
        "RR inaction of rescue",
        "0.0163",
        partial(formulas.belt, "rescue", "inaction", "last"),
        NOT_FOUND,
        "0.0244",
    ),
    (
        "T13",
        "RR inaction of offset",
        "0.0005",
        partial(formulas.belt, "offset", "inaction", "last"),
        NOT_FOUND,
        0,
    ),
    ("T14", "uneaten, LDDDD", "0.0364", partial(formulas.uneaten, "LDDDD"), FIXED),
    ("T14", "uneaten, DDLDD", "0.8478", partial(formulas.uneaten, "DDLDD"), FIXED),
    ("T15", "in the corner, LDRDRDR", "0.1503", partial(formulas.cornered, "LDRDRDR"), BOX),
    ("T15", "in the corner, DRDDR", "0.9954", partial(formulas.cornered, "DRDDR"), BOX),
    ("T15", "RR, LDRDRD", "12/54", partial(formulas.lost_states, "LDRDRD"), GOAL),
    ("T15", "RR, DRDR", "45/54", partial(formulas.lost_states, "DRDR"), GOAL),
    ("T17", "P0 of a win", "0.3085", partial(formulas.win, 0), "knife-edge"),
    ("T17", "P1 of a win", "0.6915", partial(formulas.win, 1), "knife-edge"),
    ("T17", "D4 of derivatives, biscuits", 0, formulas.derivatives, "knife-edge"),
    ("T24", "no hit in 1000", "0.3677", partial(rare_catastrophe.unseen, 1000), ""),
    ("T24", "no hit in 3000", "0.0497", partial(rare_catastrophe.unseen, 3000), ""),
    ("T24", "no hit in 10000", "4.5e-5", partial(rare_catastrophe.unseen, 10_000), ""),
    ("T24", "cost of a q-quantilizer, of the bound", 1, formulas.bound, "it is met"),
    ("T25", "OP of two independent parts", 5, formulas.both_parts, ""),
    *(
        ("T25", f"more than the median, N={n}", 0.5, partial(formulas.above_median, n), "")
        for n in (1, 2, 10, 100, 1000)
    ),
    *(
        ("T25", f"likeliest N, q={q}", number, partial(eight_states.likeliest_tries, q), "")
        for q, number in ((0.5, "1.4427"), (0.875, "7.4889"), (0.99, "99.499"))
    ),
    ("T25", "bounded U, mu above", 0, partial(formulas.threshold, 0, "runaway"), CHOSEN),
    ("T25", "bounded U, mu below", 1e5, partial(formulas.threshold, 1000, "null"), CHOSEN),
    (
        "T25",
        "unbounded U, mu above",
        "1.009e6",
        partial(formulas.threshold, 999_000, "runaway"),
        CHOSEN,
    ),
)
