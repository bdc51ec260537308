"""The table of events, as both programs of the succeeded stack map it."""

from sqlalchemy import BigInteger, Column, DateTime, FetchedValue, Text
from sqlalchemy.dialects.postgresql import INET, JSON
from sqlalchemy.orm import declarative_base


class EventLog(declarative_base()):
    __tablename__ = "events"
    id = Column(BigInteger, primary_key=True, server_default=FetchedValue())
    # The table fills it too; said here, some versions would have each INSERT return it.
    created_at = Column(DateTime(timezone=True), nullable=False)
    received_at = Column(DateTime(timezone=True), nullable=False)
    event_time = Column(DateTime(timezone=True), nullable=False)
    site_id = Column(Text, nullable=False)
    event_type = Column(Text, nullable=False)
    session_id = Column(Text)
    visitor_id = Column(Text)
    client_ip = Column(INET)
    user_agent = Column(Text)
    payload = Column(JSON, nullable=False)
