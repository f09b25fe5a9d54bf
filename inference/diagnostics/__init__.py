"""A tree of worlds in, a labelled dataset out; every file's first line is its question."""

from inference.diagnostics.coarse_graining import coarse_graining

__all__ = ["coarse_graining"]
