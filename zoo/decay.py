"""How fast norms fall or rise with the lag."""

import numpy as np


def factor_per_step(norms) -> float:
    """The geometric mean of the ratios of neighbouring lags: below 1 a gradient vanishes, above 1 it explodes.

    Args:
        norms: float [T] by lag. NaN and what has become zero are left out.

    Returns:
        The factor; NaN if there are not two lags to compare.
    """
    norms = np.asarray(norms, "float64")
    lags = np.flatnonzero(np.isfinite(norms) & (norms > 0))
    if len(lags) < 2:
        return float("nan")
    first, last = lags[[0, -1]]  # the ratios between them cancel out
    return float(np.exp((np.log(norms[last]) - np.log(norms[first])) / (last - first)))
