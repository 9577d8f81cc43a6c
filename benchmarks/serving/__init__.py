"""What `benchmarks/serving.py` is made of: models, servers, load, parts, pictures."""
