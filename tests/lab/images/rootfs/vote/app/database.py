"""How worker and result reach the database."""

import os
import pathlib
import time

import psycopg2


def password():
    """From a file where one is named, as the orchestrators mount secrets."""
    file = os.environ.get("PGPASSWORD_FILE")
    return pathlib.Path(file).read_text().strip() if file else os.environ.get("PGPASSWORD", "")


def connect(attempts=60):
    """A connection; the database may still be starting."""
    while True:
        try:
            connection = psycopg2.connect(
                host=os.environ.get("PGHOST", "db"),
                user=os.environ.get("PGUSER", "postgres"),
                dbname=os.environ.get("PGDATABASE", "postgres"),
                password=password(),
                connect_timeout=2,
            )
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(
                    "CREATE TABLE IF NOT EXISTS votes (id varchar(255) PRIMARY KEY, vote varchar(255) NOT NULL)"
                )
            return connection
        except psycopg2.Error:
            attempts -= 1
            if attempts <= 0:
                raise
            time.sleep(1)
