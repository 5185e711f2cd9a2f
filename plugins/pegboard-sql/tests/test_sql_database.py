from pegboard.testing.database import DatabaseContract


class TestSql(DatabaseContract):
    """Sessions of a PostgreSQL server and of a SQLite file."""
