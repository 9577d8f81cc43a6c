"""The ledger of ground truth: captured predictions joined with what came true, its lag, its coverage, its losses."""
