"""Single statements by libpq, which is wherever the worker is, over connections that are kept:
to start psql and a process of PostgreSQL for each takes longer than all else in many tests."""

import collections
import ctypes
import os
import select
import threading

_CONNECTION_OK = 0
_DONE = (0, 1, 2)    # an empty query, a command, rows
_PROCESSOR = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)
_quiet = _PROCESSOR(lambda *_: None)

# As clean_env() has it for programs: here the library itself would look.
for _name in [name for name in os.environ if name.startswith("PG")]:
    del os.environ[_name]


def _load():
    lib = ctypes.CDLL("libpq.so.5")
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, *arguments in (
            ("PQconnectdb", pointer, text), ("PQstatus", number, pointer),
            ("PQerrorMessage", text, pointer), ("PQfinish", None, pointer),
            ("PQsocket", number, pointer),
            ("PQsetNoticeProcessor", pointer, pointer, _PROCESSOR, pointer),
            ("PQexec", pointer, pointer, text), ("PQresultStatus", number, pointer),
            ("PQntuples", number, pointer), ("PQnfields", number, pointer),
            ("PQgetvalue", text, pointer, number, number), ("PQclear", None, pointer)):
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


_lib = _load()


class Error(Exception):
    """The text is the server's, or libpq's, message."""


def _connect(dsn):
    connection = _lib.PQconnectdb(f"{dsn} client_encoding=UTF8".encode())
    if _lib.PQstatus(connection) != _CONNECTION_OK:
        message = _lib.PQerrorMessage(connection).decode().strip()
        _lib.PQfinish(connection)
        raise Error(message)
    _lib.PQsetNoticeProcessor(connection, _quiet, None)
    return connection


def _is_over(connection):
    """Whether the server said something while nothing was asked, which is good-bye."""
    return bool(select.select([_lib.PQsocket(connection)], [], [], 0)[0])


class Pool:
    """Connections that are free, by their dsn. Any thread may use it."""

    def __init__(self):
        self._free = collections.defaultdict(list)
        self._lock = threading.Lock()

    def run(self, dsn, sql):
        """Rows of one statement, as lists of texts; "" for NULL."""
        connection = self._take(dsn) or _connect(dsn)
        result = _lib.PQexec(connection, sql.encode())
        try:
            if _lib.PQresultStatus(result) not in _DONE:
                raise Error(_lib.PQerrorMessage(connection).decode().strip())
            fields = range(_lib.PQnfields(result))
            return [[_lib.PQgetvalue(result, row, field).decode() for field in fields]
                    for row in range(_lib.PQntuples(result))]
        finally:
            _lib.PQclear(result)
            self._give_back(dsn, connection)

    def _take(self, dsn):
        with self._lock:
            while self._free[dsn]:
                connection = self._free[dsn].pop()
                if not _is_over(connection):
                    return connection
                _lib.PQfinish(connection)
        return None

    def _give_back(self, dsn, connection):
        if _lib.PQstatus(connection) != _CONNECTION_OK:
            _lib.PQfinish(connection)
            return
        with self._lock:
            self._free[dsn].append(connection)

    def close(self):
        with self._lock:
            for connections in self._free.values():
                for connection in connections:
                    _lib.PQfinish(connection)
            self._free.clear()
