"""What does a picture hold: its figure, and all that is written in it?"""

import matplotlib as mpl


def figure_of(picture):
    return picture.viz["figure"].item()


def words(picture):
    found = [text.get_text() for text in figure_of(picture).findobj(mpl.text.Text)]
    return " ".join(found).replace("\n", " ")
