"""The export of the stack that millrace succeeds: rows through SQLAlchemy's ORM, json, boto3.
Written for the benchmark only; it reads the same table. 10,000 rows become one object.

usage: export.py ROWS FOLDER | export.py ROWS ENDPOINT CA_FILE BUCKET
Prints how many seconds it took, without what Python needs to start.
"""

import itertools
import json
import os
import sys
import time

import boto3
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from model import EventLog

OBJECT_ROWS = 10_000


def record(event):
    return {
        "id": event.id,
        "created_at": event.created_at.isoformat(),
        "received_at": event.received_at.isoformat(),
        "event_time": event.event_time.isoformat(),
        "site_id": event.site_id,
        "event_type": event.event_type,
        "session_id": event.session_id,
        "visitor_id": event.visitor_id,
        "client_ip": event.client_ip,
        "user_agent": event.user_agent,
        "payload": event.payload,
    }


def to_folder(folder):
    def put(name, body):
        with open(os.path.join(folder, name), "wb") as f:
            f.write(body)
    return put


def to_bucket(endpoint, ca_file, bucket):
    s3 = boto3.client("s3", endpoint_url=endpoint, verify=ca_file, region_name="us-east-1")

    def put(name, body):
        s3.put_object(Bucket=bucket, Key=name, Body=body, ContentType="application/json")
    return put


def main(argv):
    rows, place = int(argv[0]), argv[1:]
    put = to_folder(*place) if len(place) == 1 else to_bucket(*place)
    session = sessionmaker(bind=create_engine(os.environ["DATABASE_URL"]))()
    start = time.monotonic()
    events = iter(session.query(EventLog).limit(rows).yield_per(OBJECT_ROWS))
    for number in itertools.count():
        records = [record(event) for event in itertools.islice(events, OBJECT_ROWS)]
        if not records:
            break
        put(f"events-{number:06}.json", json.dumps(records).encode())
    print(time.monotonic() - start)


if __name__ == "__main__":
    main(sys.argv[1:])
