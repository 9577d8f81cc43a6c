"""The demonstration: a simulated retail chain, a project that predicts its sales, and the loop's story told on it."""
