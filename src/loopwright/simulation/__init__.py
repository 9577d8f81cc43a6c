"""The real loop on a virtual clock: months of a project in a minute, with trouble as a scenario tells it."""
