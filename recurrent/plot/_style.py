"""What all figures share. Colours are Okabe and Ito's, for the colour-blind; dashes are for print."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Table = Mapping[str, npt.NDArray[np.float64]]

BLUE, ORANGE, GREEN, BLACK, GREY = "#0072B2", "#D55E00", "#009E73", "#000000", "#767676"
