"""What may be forgotten: objects that nothing needs any more are removed from the store, and nothing else is."""
