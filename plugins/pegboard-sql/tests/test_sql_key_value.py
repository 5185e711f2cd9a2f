from pegboard.testing.key_value import PersistentKeyValueContract


class TestSql(PersistentKeyValueContract):
    """Values in a PostgreSQL server and in a SQLite file."""
