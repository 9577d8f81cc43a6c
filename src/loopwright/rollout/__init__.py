"""How a version takes over an endpoint: the ledger of revisions, the plan of steps, the analysis, promote and abort."""
