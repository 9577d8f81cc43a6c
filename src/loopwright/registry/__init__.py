"""Which versions of a model exist, where each came from, and why it may be used."""
