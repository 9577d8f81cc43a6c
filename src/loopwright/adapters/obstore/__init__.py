"""Objects on a local disk, S3, Google Cloud Storage, Azure or in memory, all through obstore."""
