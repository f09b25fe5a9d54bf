"""What the tests of pictures share: none of them leaves its figures open."""

import matplotlib.pyplot as plt
import pytest
from pictures import figure_of


@pytest.fixture
def drawing():
    """Draw by a function of inference.plots, and close when the test is over."""
    drawn = []

    def draw(plot, *args, **options):
        drawn.append(plot(*args, **options))
        return drawn[-1]

    yield draw
    for picture in drawn:
        plt.close(figure_of(picture))
