r"""Footnotes of a table: a raised letter at each cell that has a reason, and the reasons below."""

import re
from collections import Counter

import numpy as np

__all__ = ["footnotes"]

_LETTERS = "ᵃᵇᶜᵈᵉᶠᵍʰ"
_REST = "⁺"
_DECIMAL = re.compile(r"\d+\.\d+(e[-+]?\d+)?")


def footnotes(reasons: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Give every reason a letter, the same to those that differ by a decimal number only.

    Returns
    -------
    tuple
        The letters, of the same shape, "" where there is no reason; and lines that say what each
        means. Beyond eight reasons, the rarest share a sign.

    Examples
    --------
    >>> said = ["no mean: index 1.30", "", "no mean: index 1.07", "certain"]
    >>> letters, lines = footnotes(np.array(said, dtype=object))
    >>> letters.tolist(), lines
    (['ᵃ', '', 'ᵃ', 'ᵇ'], ['ᵃ no mean: index … (2 cells); ᵇ certain.'])
    """
    texts = [" ".join(str(text).split()) for text in np.asarray(reasons, dtype=object).ravel()]
    kinds = [_DECIMAL.sub("…", text) for text in texts]
    counts = Counter(kind for kind in kinds if kind)
    signs = {kind: sign for sign, (kind, _) in zip(_LETTERS, counts.most_common(), strict=False)}
    own = {
        kind: {text for text, of in zip(texts, kinds, strict=True) if of == kind} for kind in signs
    }
    said = []
    for kind, sign in signs.items():
        text = own[kind].pop() if len(own[kind]) == 1 else kind
        cells = f" ({counts[kind]:,} cells)" if counts[kind] > 1 else ""
        said.append(f"{sign} {text.rstrip('.')}{cells}")
    if len(counts) > len(signs):
        said.append(f"{_REST} other reasons, in the result's 'reason'")
    letters = np.array([signs.get(kind, _REST if kind else "") for kind in kinds], dtype=object)
    return letters.reshape(np.shape(reasons)), ["; ".join(said) + "."] if said else []
