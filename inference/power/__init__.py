"""How rarely is the erased world as good as what a disciple achieved? Worlds beyond the draws."""

from inference.power.rare_worlds import with_rare_worlds

__all__ = ["with_rare_worlds"]
