"""The durable journal: runs, their stages, leases and fences; and jobs, the work that runs elsewhere."""
