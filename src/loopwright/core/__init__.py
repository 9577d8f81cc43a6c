"""Words shared by all rooms: ids, digests, the clock, decisions, events, and how records become JSON."""
