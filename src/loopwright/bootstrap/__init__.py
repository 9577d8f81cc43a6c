"""Where rooms and adapters meet, once per kind of process: the platform, an inference server, a job."""
