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
from sqlalchemy import BigInteger, Column, DateTime, Text, create_engine
from sqlalchemy.dialects.postgresql import INET, JSONB
from sqlalchemy.orm import declarative_base, sessionmaker

OBJECT_ROWS = 10_000

Base = declarative_base()


class EventLog(Base):
    __tablename__ = "events"
    id = Column(BigInteger, primary_key=True)
    created_at = Column(DateTime(timezone=True), nullable=False)
    received_at = Column(DateTime(timezone=True), nullable=False)
    event_time = Column(DateTime(timezone=True), nullable=False)
    site_id = Column(Text, nullable=False)
    event_type = Column(Text, nullable=False)
    session_id = Column(Text)
    visitor_id = Column(Text)
    client_ip = Column(INET)
    user_agent = Column(Text)
    payload = Column(JSONB, nullable=False)


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
