"""The stack that millrace succeeds, as its documentation describes it: FastAPI,
SQLAlchemy's pool of 10+20 connections, one bulk_insert_mappings and one commit
a request. Written for the benchmark only; it fills the same table.
"""

import logging
import os
from datetime import datetime, timezone
from ipaddress import ip_address

from fastapi import Depends, FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker

from model import EventLog

logging.basicConfig(level=logging.INFO)
logger = logging.getLogger("app.main")

engine = create_engine(
    os.environ["DATABASE_URL"],
    pool_size=10,
    max_overflow=20,
    pool_pre_ping=True,
    pool_recycle=3600,
)
SessionLocal = sessionmaker(autocommit=False, autoflush=False, bind=engine)

app = FastAPI()
app.add_middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["POST", "GET", "OPTIONS"],
    allow_headers=["Content-Type", "Authorization"],
)


def get_db():
    db = SessionLocal()
    try:
        yield db
    finally:
        db.close()


def now_text():
    now = datetime.now(timezone.utc)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def client_ip(request):
    forwarded = request.headers.get("x-forwarded-for")
    text = forwarded.split(",")[0].strip() if forwarded else request.client.host
    try:
        return str(ip_address(text))
    except ValueError:
        return "127.0.0.1"


def event_time(text, received):
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        return received


def mapping(event, envelope, payload, received, ip, agent):
    return {
        "received_at": received,
        "event_time": event_time(event.get("timestamp") or envelope.get("timestamp"), received),
        "site_id": event.get("siteId") or envelope.get("siteId") or "unknown",
        "event_type": event.get("eventType") or "unknown",
        "session_id": event.get("sessionId") or envelope.get("sessionId"),
        "visitor_id": event.get("visitorId") or envelope.get("visitorId"),
        "client_ip": ip,
        "user_agent": agent,
        "payload": payload,
    }


def mappings(data, ip, agent):
    received = datetime.now(timezone.utc)
    if data.get("eventType") != "batch":
        return [mapping(data, data, data, received, ip, agent)]
    members = data.get("events") or []
    logger.info(f"Processing batch with {len(members)} individual events")
    envelope = {key: value for key, value in data.items() if key != "events"}
    rows = [mapping(data, data, envelope, received, ip, agent)]
    rows += [mapping(event, data, event, received, ip, agent) for event in members]
    return rows


@app.post("/collect")
async def collect(request: Request, db: Session = Depends(get_db)):
    data = await request.json()
    rows = mappings(data, client_ip(request), request.headers.get("user-agent"))
    try:
        db.bulk_insert_mappings(EventLog, rows)
        db.commit()
    except Exception as error:
        logger.error(f"Database bulk insert failed: {error}")
        db.rollback()
        return {"status": "error", "message": "Event processing failed"}
    logger.info(f"Bulk inserted {len(rows)} events from {rows[0]['site_id']}")
    return {
        "status": "success",
        "message": f"{len(rows)} event(s) received and stored",
        "events_processed": len(rows),
        "timestamp": now_text(),
    }


@app.get("/health")
async def health(db: Session = Depends(get_db)):
    db.execute("SELECT 1")
    return {"status": "healthy", "database": "connected", "timestamp": now_text()}
