"""The tables: SQLite into PostgreSQL."""
