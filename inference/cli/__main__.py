"""``python -m inference.cli`` is the command ``counterfactual``."""

import sys

from inference.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
