"""How good a candidate is, beside the champion and a dummy on the same rows, and whether it may go on: the gate."""
