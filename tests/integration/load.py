"""Clients that post without pause, and remember what became of each event."""

import collections
import threading
import time

from harness import fcgi, proc


KEPT = (200, 202)


class Load:
    """Threads that post single events, each with an id of its own as sessionId.

    address: the worker's socket. retrying: each event has its id as batchId too, and
    is sent again until it is acknowledged (200 or 202), as a good client does; otherwise
    each is sent once. Leaving the block stops the threads; then `answers` maps each
    id to its last status (0: no answer came).
    """

    def __init__(self, address, name, threads=4, retrying=False):
        self.address, self.name, self.retrying = address, name, retrying
        self.answers = {}
        self.statuses = collections.Counter()
        self.odd = []            # answers that are none of 200, 202 and 503
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._give_up = float("inf")
        self._threads = [threading.Thread(target=self._run, args=(i,), daemon=True)
                         for i in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc):
        self.finish()

    def finish(self):
        """Lets each thread complete its event, and waits for them."""
        self._give_up = time.monotonic() + proc.DEADLINE_S
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number):
        i = 0
        while not self._end.is_set():
            i += 1
            event_id = f"{self.name}-{number}-{i}"
            status = self._post(event_id)
            while self.retrying and status not in KEPT and time.monotonic() < self._give_up:
                self._pause()
                status = self._post(event_id)
            if status not in KEPT:
                self._pause()

    @staticmethod
    def _pause():
        """Keeps a worker that is refusing from being flooded."""
        time.sleep(0.01)

    def _post(self, event_id):
        body = {"eventType": "load", "siteId": self.name, "sessionId": event_id}
        if self.retrying:
            body["batchId"] = event_id
        try:
            answer = fcgi.request(self.address, "POST", "/collect", body)
            status, complete = answer.status, answer.app_status is not None
        except OSError as error:
            answer, status, complete = error, 0, False
        with self._lock:
            self.answers[event_id] = status
            self.statuses[status] += 1
            if status not in (*KEPT, 503) or not complete:
                self.odd.append(f"{event_id}: {status} {getattr(answer, 'raw', answer)!r}")
        return status

    def wait_for(self, status, n=50):
        """Waits until n more requests were answered with this status."""
        want = self.statuses[status] + n
        proc.wait_for(lambda: self.statuses[status] >= want, f"{n} answers with {status}",
                      detail=lambda: str(self.statuses))


def check(t, pg, load):
    """Every 200 and 202 is in the table exactly once, and nothing is there twice."""
    stored = {row["session_id"]: row["n"] for row in pg.query(
        f"SELECT session_id, count(*) AS n FROM events WHERE site_id = '{load.name}' "
        "GROUP BY session_id")}
    acknowledged = [key for key, status in load.answers.items() if status in KEPT]
    lost = [key for key in acknowledged if key not in stored]
    t.ok(acknowledged, f"{load.name}: some were acknowledged")
    t.is_(lost[:10], [], f"{load.name}: of {len(acknowledged)} acknowledged none is lost")
    t.is_([key for key, n in stored.items() if n > 1][:10], [],
          f"{load.name}: none is stored twice")
    t.is_([key for key in stored if key not in load.answers][:10], [],
          f"{load.name}: nothing else is stored")
    t.is_(load.odd[:5], [], f"{load.name}: every request got a proper answer")
