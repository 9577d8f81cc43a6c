"""SQL state: the engine, transactions, migrations and the event outbox. SQLite and PostgreSQL are a dialect apart."""
