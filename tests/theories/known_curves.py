"""The learning curve of a kernel whose eigenvalues are known, by the self-consistent equation."""

import numpy as np
from scipy.optimize import brentq


def known_curve(eigenvalues, size, power, noise_var, target_noise_var=0.0):
    """The squared error of so many points; power: squares of the target's coefficients."""

    def excess(log_kappa):
        kappa = np.exp(log_kappa)
        return np.sum(eigenvalues / (eigenvalues + kappa)) + noise_var / kappa - size

    kappa = np.exp(brentq(excess, -30, 10))
    learned = eigenvalues / (eigenvalues + kappa)
    bias = np.sum((1 - learned) ** 2 * power)
    return (bias + target_noise_var) / (1 - np.sum(learned**2) / size)
