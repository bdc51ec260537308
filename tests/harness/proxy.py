"""A proxy in front of PostgreSQL's unix socket, which can lose the answer to a commit."""

import os
import socket
import threading

from . import proc

READY = b"Z\x00\x00\x00\x05I"    # ReadyForQuery, no transaction open: it is committed


class Proxy:
    """Listens in a folder of its own, `dir`, to be used as the host of a dsn.

    cut(): the next statement with this text in its message is let through; what the
    server answers, to its end, is dropped and the connection closed. `cuts` counts them.
    """

    def __init__(self, pg):
        self.target = os.path.join(pg.dir, ".s.PGSQL.5432")
        self.cuts = 0
        self._marker = None
        self._lock = threading.Lock()

    def __enter__(self):
        self._temp = proc.temp_dir()
        self.dir = self._temp.__enter__()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.path.join(self.dir, ".s.PGSQL.5432"))
        self._listener.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exc):
        self._listener.close()
        self._temp.__exit__(None, None, None)

    def cut(self, marker):
        with self._lock:
            self._marker = marker

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self.target)
            except OSError:
                client.close()
                server.close()
                continue
            state = {"cut": False}
            for source, to, way in ((client, server, self._up), (server, client, self._down)):
                threading.Thread(target=self._run, args=(source, to, way, state),
                                 daemon=True).start()

    @staticmethod
    def _run(source, to, way, state):
        try:
            while (data := source.recv(65536)) and way(data, to, state):
                pass
        except OSError:
            pass
        for s in (source, to):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        source.close()

    def _up(self, data, to, state):
        with self._lock:
            if self._marker is not None and self._marker in data:
                state["cut"], self._marker = True, None
        to.sendall(data)
        return True

    def _down(self, data, to, state):
        if not state["cut"]:
            to.sendall(data)
            return True
        state["answer"] = state.get("answer", b"") + data
        if not state["answer"].endswith(READY):
            return True
        with self._lock:
            self.cuts += 1
        return False
