"""A pickled Python model serves, and the user's feature function runs."""
