"""From accepted rows to a candidate: split, leakage checks, trainers, tuning, refit."""
