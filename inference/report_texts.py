"""What the page says and looks like whatever was found: its reading guide and its style sheet."""

from inference.plots.style import VERDICTS

__all__ = ["ATTRIBUTES", "GLYPHS", "GUIDE", "STYLESHEET"]

GLYPHS = {"above": "●", "undecided": "◆", "below": "○"}
"""One sign per verdict, as in the pictures: told apart without colour."""

GUIDE = (
    (
        "above",
        "Even the lower 95% bound lies beyond the tolerance: letting the disciple in changes this "
        "measurement by more than you said you would bear.",
    ),
    (
        "below",
        "Even the upper 95% bound lies within the tolerance: over these cells the two worlds "
        "differ by no more than that. It is a bound, not a proof that nothing changes.",
    ),
    (
        "undecided",
        "The tolerance lies between the bounds: these draws do not tell. It asks for more draws, "
        "and is no evidence that the impact is small.",
    ),
    (
        "total variation",
        "Half the sum, over the cells of a measurement, of the differences between their chances "
        "with the disciple let in and with it erased: 0 for the same world, 1 for worlds with "
        "nothing in common.",
    ),
    (
        "noise floor",
        "What two samples of the very same world would show. The estimate is corrected for it.",
    ),
    (
        "p",
        "How often the same world would show as much by chance; not corrected for the number of "
        "measurements. A p that is not small never means that there is no impact: read the "
        "bounds.",
    ),
    (
        "many measurements",
        "Each verdict is certified on its own: among many, some of those certified are wrong (of "
        "those at the very tolerance, up to one in twenty). Small impacts on each do not bound "
        "the impact on all of them together.",
    ),
    (
        "what this is about",
        "The worlds of the model. A way of acting on the world that the model leaves out shows "
        "no impact here, and may have one.",
    ),
)
"""Terms and what they mean, for one who has read nothing else."""

ATTRIBUTES = {
    "world": "World",
    "world_hash": "Its text (hash)",
    "method": "Posterior by",
    "posterior_seed": "Seed of the posterior",
    "seed": "Seed of the worlds",
    "futures": "Futures per draw",
    "vectorised": "Run",
    "coupling": "Noise between worlds",
    "shared_posterior": "One posterior for all",
    "evidence": "Evidence at",
    "reused": "Reused from the posterior",
    "redrawn": "Redrawn",
    "recomputed": "Recomputed",
    "forced": "Forced",
    "versions": "Versions",
}
"""Attributes of the tree that the page shows unfolded, in order, and what they are called."""

_COLORS = "".join(f"--{verdict}:{look.color};" for verdict, look in VERDICTS.items())

STYLESHEET = (
    ":root{color-scheme:light dark;--ink:#1f2430;--muted:#5d6675;--line:#dfe3e8;--paper:#fff;"
    "--card:#f7f8fa;--heat:179 55 12;" + _COLORS + "}"
    """
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ee;--muted:#9aa4b2;--line:#303743;
--paper:#14171c;--card:#1c2027;--heat:224 92 42;--above:#f0764a;--undecided:#cbb878;
--below:#4fc3a5}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:62rem;margin:0 auto;padding:2.5rem 1.5rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .3rem;letter-spacing:-.01em}
h2{font-size:1.15rem;margin:2.6rem 0 .8rem}
h3{font-size:.95rem;margin:1rem 0 .3rem}
p{margin:.35rem 0}
.facts,.counted,.key,figcaption,small{color:var(--muted)}
.facts b{color:var(--ink);font-weight:600}
.counted,.key,figcaption{font-size:.875rem}
article{background:var(--card);border-left:4px solid var(--v);border-radius:6px;
padding:.8rem 1.1rem;margin:.7rem 0;break-inside:avoid}
.who{display:flex;flex-wrap:wrap;gap:.6rem;align-items:baseline;font-size:1.05rem}
.chip{border:1.5px solid var(--v);color:var(--v);border-radius:99px;padding:0 .65rem;
font-size:.82rem;font-weight:600;white-space:nowrap}
article.above .chip{background:var(--v);color:var(--paper)}
.above{--v:var(--above)}.undecided{--v:var(--undecided)}.below{--v:var(--below)}
.shares{display:flex;gap:2px;height:6px;margin:.6rem 0 .3rem;max-width:26rem}
.shares span{flex:1 1 0;min-width:3px;border-radius:3px;background:var(--v)}
.shares .below{background:none;border:1.5px solid var(--v)}
.shares .undecided{opacity:.75}
aside{border:1px solid var(--undecided);border-radius:6px;padding:.7rem 1.1rem;margin:1.4rem 0}
aside ul{margin:.3rem 0;padding-left:1.2rem}
.wide{overflow-x:auto}
table{border-collapse:separate;border-spacing:2px;font-variant-numeric:tabular-nums}
th{text-align:left;font-weight:600;overflow-wrap:anywhere}
thead th{font-size:.875rem;color:var(--muted);padding:.2rem .6rem}
.heat{width:100%;table-layout:fixed}
.heat tbody th{font-weight:500;padding:.25rem .6rem .25rem 0}
.heat thead th:first-child{padding-left:0}
.heat td{background:rgb(var(--heat)/var(--t));border-radius:4px;padding:.25rem .6rem;
print-color-adjust:exact;-webkit-print-color-adjust:exact}
.heat td i,.key i{font-style:normal;color:var(--v);display:inline-block;width:1em}
.heat td.above i{color:inherit}
.heat td.below b{font-weight:400}
.heat td small{color:inherit;opacity:.75;white-space:nowrap;margin-left:.3rem}
.key span{white-space:nowrap;margin-left:.6rem}
.plain{border-spacing:0;font-size:.875rem}
.plain td,.plain th{padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line)}
.n{text-align:right}
details{margin:.6rem 0}
summary{cursor:pointer;color:var(--muted)}
figure{margin:1.2rem 0;break-inside:avoid}
figure img{display:block;max-width:100%;height:auto;background:#fff;border:1px solid var(--line);
border-radius:6px}
figcaption{margin-top:.3rem}
dl{display:grid;grid-template-columns:minmax(8rem,13rem) 1fr;gap:.35rem 1.2rem;margin:.4rem 0}
dt{font-weight:600}
dd{margin:0;overflow-wrap:anywhere}
pre{background:var(--card);border-radius:6px;padding:.7rem;overflow-x:auto;font-size:.82rem}
@media (max-width:40rem){main{padding:1.5rem 1rem 3rem}h1{font-size:1.5rem}
dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}
figure img{max-width:none;width:44rem}
.heat{table-layout:auto}.heat th,.heat td{min-width:6.4rem}.heat tbody th{min-width:8rem}
.heat td{padding:.25rem .35rem}.heat td small{display:block;margin-left:1.2em}}
@media print{:root{--paper:#fff;--ink:#000;--card:#f7f8fa}body{font-size:11pt}
main{max-width:none;padding:0}details::details-content{content-visibility:visible;display:block}
summary{display:none}
h2,h3{break-after:avoid}tr{break-inside:avoid}figure img{max-height:85vh;width:auto}}
"""
)
"""Inline, for light and dark, wide and narrow, screen and paper."""
