"""The inference server: doors over one dataplane, variants by weight, capture off the hot path. Lives alone."""
