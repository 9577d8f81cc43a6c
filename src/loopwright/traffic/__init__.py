"""The words between control and data plane: endpoint revisions, predictions, summaries, outcomes, and their keys."""
