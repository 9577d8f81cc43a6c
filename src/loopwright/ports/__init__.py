"""Promises to the outside, two to six methods each. Adapters keep them; `loopwright.testing` examines that they do."""
