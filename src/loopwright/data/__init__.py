"""Data arriving: snapshots of sources, what their columns look like, the contract they keep, and what breaks it."""
