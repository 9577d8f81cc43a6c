"""One file for each server that ours is measured beside: what its documentation advises, and no more."""
