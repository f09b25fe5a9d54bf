"""What if the evidence had been other, or had not been seen? Weighs the draws, or draws anew."""

from inference.revisions.revision import revise

__all__ = ["revise"]
