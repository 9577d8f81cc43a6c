"""What can be said of numbers: metrics, intervals, tests, divergences, sketches that merge. Pure NumPy functions."""
