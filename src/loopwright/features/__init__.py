"""Feature functions and fitted features: the same from raw rows to a matrix in training and in serving."""
