"""A tree of worlds with scores, made by hand from exact draws: what `with_scores` would return."""

import numpy as np
import xarray as xr

__all__ = ["scored_tree"]


def scored_tree(drawn, scores, *, scale=None, direct=None, prior=None, noise=None):
    """Make the tree.

    `drawn`: world -> (chain, draw, future, output), measured as `w`; `scores`: (chain, draw,
    datum), or (disciple, chain, draw, future, datum), of the site `e`; `scale`: (datum,);
    `direct`: (disciple, block, output, datum); `prior`: (prior draw, datum) and `noise`: (datum,).
    """
    worlds = list(drawn)
    values = np.stack([drawn[world] for world in worlds])
    lead = ["disciple", "chain", "draw"]
    if values.shape[3] == 1:
        values = values[:, :, :, 0]
        scores = scores[..., 0, :] if scores.ndim == 5 else scores
    else:
        lead.append("future")
    labels = {"disciple": worlds, "X": ("disciple", [int(w != "erased") for w in worlds])}
    measured = {"w": ([*lead, "output"], values, {"role": "measurement"})}
    own = lead if scores.ndim > 3 else ["chain", "draw"]
    groups = {
        "predictions": xr.Dataset(measured, labels),
        "evidence_scores": xr.Dataset(
            {"e": ([*own, "item"], scores)}, {"disciple": worlds} if "disciple" in own else {}
        ),
    }
    if scale is not None:
        spread = np.zeros(len(scale)) if noise is None else noise
        rows = np.stack([np.asarray(scale, float), np.asarray(spread, float)])
        groups["evidence_scales"] = xr.Dataset(
            {"e": (("statistic", "item"), rows)}, {"statistic": ["loo_sd", "prior_noise"]}
        )
    if prior is not None:
        groups["prior_evidence"] = xr.Dataset({"e": (("prior_draw", "item"), prior)})
    if direct is not None:
        groups["evidence_direct"] = xr.Dataset(
            {"direct": (("disciple", "score_block", "measurement", "datum"), direct)},
            {
                "disciple": worlds,
                "measurement": [f"w[{k}]" for k in range(direct.shape[2])],
                "datum": [f"e[{k}]" for k in range(direct.shape[3])],
            },
        )
    return xr.DataTree.from_dict(groups)
