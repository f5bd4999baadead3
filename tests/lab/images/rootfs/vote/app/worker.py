"""Carries votes from Redis to the database; a vote leaves the list when it is stored."""

import json
import os
import time

import psycopg2
import redis

import database


def main():
    """Runs for ever."""
    store = redis.Redis(host=os.environ.get("REDIS_HOST", "redis"), socket_connect_timeout=2)
    connection = database.connect()
    while True:
        try:
            raw = store.blmove("votes", "votes:stored", timeout=5, src="LEFT", dest="RIGHT")
            if raw is None:
                continue
            vote = json.loads(raw)
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO votes (id, vote) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                    (vote["voter"], vote["vote"]),
                )
            store.lrem("votes:stored", 1, raw)
            print("stored", vote["voter"])
        except redis.RedisError as error:
            print("redis:", error)
            time.sleep(1)
        except psycopg2.Error as error:
            print("database:", error)
            connection = database.connect()


main()
