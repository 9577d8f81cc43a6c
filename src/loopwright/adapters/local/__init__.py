"""What a laptop has of its own: subprocesses for jobs, an inference server, a file of notices."""
