"""When a model learns again: triggers make requests, and a governor accepts or refuses them."""
