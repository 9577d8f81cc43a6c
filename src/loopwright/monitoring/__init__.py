"""What the traffic shows of a model: drift, quality, errors, performance; it writes findings."""
