"""Parts of `benchmarks/chaos.py`: the load, what is disturbed, how, and the verdict."""
