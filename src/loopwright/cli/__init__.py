"""The command line: a door. It parses, asks the platform, and says what came of it, to a person or as JSON."""
