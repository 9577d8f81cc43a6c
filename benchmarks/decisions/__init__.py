"""What the decisions' benchmark is made of: one module a part, each with `measure(effort)` that gives its figures."""
