"""Real web servers in front of the worker: nginx and Apache with spawn-fcgi, lighttpd, Apache
with mod_fcgid, and plain CGI.

Each listens on a free port of 127.0.0.1 and is made of the samples under etc/,
with their placeholders filled in, so that the samples are what is tested. As
root everything runs as root.
"""

import contextlib
import os
import re
import shutil
import signal
import stat

from . import client, proc, sanitizer, tap
from .fcgi import ini_text, with_defaults

_NGINX = """\
daemon off;
{user}
worker_processes {processes};
pid {dir}/nginx.pid;
error_log {dir}/nginx.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {dir}/tmp-body;
    proxy_temp_path {dir}/tmp-proxy;
    fastcgi_temp_path {dir}/tmp-fastcgi;
    uwsgi_temp_path {dir}/tmp-uwsgi;
    scgi_temp_path {dir}/tmp-scgi;
    types {{ text/html html; application/javascript js; text/css css; }}
    {http}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        {server}
    }}
}}
"""


def nginx_conf(folder, port, server, http="", processes=1):
    """Text of an nginx.conf that keeps everything in the folder.

    server, http: lines of the blocks of these names.
    """
    return _NGINX.format(dir=folder, port=port, server=server, http=http, processes=processes,
                         user="user root root;" if os.geteuid() == 0 else "")


_LIGHTTPD = """\
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{wwwdir}"
server.errorlog = "{dir}/lighttpd.log"
server.upload-dirs = ( "{dir}" )
mimetype.assign = ( ".html" => "text/html", ".js" => "text/javascript", ".css" => "text/css" )
{snippet}
"""

_CGI = """\
server.modules += ( "mod_cgi" )
$HTTP["url"] =~ "^/cgi-bin/" { cgi.assign = ( "" => "" ) }
"""


_APACHE = """\
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {dir}/apache.pid
ErrorLog {dir}/apache.log
DocumentRoot {root}
{user}
{modules}
TypesConfig /dev/null
{snippet}
"""
_APACHE_MODULES = "/usr/lib/apache2/modules"


def apache_conf(server, root, modules, snippet, user=""):
    """Text of a configuration for Apache that keeps everything in the server's folder."""
    return _APACHE.format(
        dir=server.dir, port=server.port, root=root, snippet=snippet, user=user,
        modules="\n".join(f"LoadModule {name}_module {_APACHE_MODULES}/mod_{name}.so"
                          for name in ("mpm_event", "authz_core", "mime", *modules)))


def shared_hosting():
    """The script and the .htaccess of INSTALL, for Apache where one is not root."""
    text = proc.read_text(os.path.join(proc.SRCDIR, "INSTALL"))
    found = re.search(r"chmod 755:\n\n((?:    .*\n)+)\nand \.htaccess:\n\n((?:    .*\n)+)", text)
    return [re.sub(r"(?m)^    ", "", block) for block in found.groups()]


def sample(name, values):
    """Text of etc/NAME with each @placeholder@ filled in."""
    text = proc.read_text(os.path.join(proc.SRCDIR, "etc", name))
    if not text:
        raise FileNotFoundError(f"etc/{name}")
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text


class Server:
    """A web server with millrace behind it. See the subclasses.

    ini: {section: {key: value}}; the log goes to a file unless it says otherwise.
    program: what to run instead of the built millrace.fcgi.
    env: further variables of the worker.
    extra: further lines of the web server's configuration (nginx: in http {}).
    Leaving the block stops everything and raises AssertionError when the worker
    ended badly or a sanitizer reported something.
    """

    prefix = ""    # of the documented paths

    def __init__(self, ini=None, program=None, env=None, extra=""):
        self.program = program or proc.worker_path()
        self.ini, self.more_env, self.extra = ini or {}, env or {}, extra
        self.web = None

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        try:
            self.dir = self._stack.enter_context(proc.temp_dir())
            self._prepare()
            self._start()
            proc.wait_for(self._answers, f"{self.web.name} answers", detail=self.everything)
        except BaseException:
            with contextlib.suppress(Exception):
                self._stop()
            self._stack.close()
            raise
        return self

    def _prepare(self):
        self.port = self._stack.enter_context(proc.Port())
        self.root = f"http://127.0.0.1:{self.port}"
        self.base = self.root + self.prefix
        self.wwwdir = os.path.join(self.dir, "www")
        os.mkdir(self.wwwdir)
        self.logfile = os.path.join(self.dir, "millrace.log")
        self.conffile = os.path.join(self.dir, "millrace.ini")
        ini = {**self.ini, "millrace": {"log": self.logfile, **self.ini.get("millrace", {})}}
        with open(self.conffile, "w", encoding="utf-8") as f:
            f.write(ini_text(with_defaults(ini, self.dir)))
        self.values = {"fcgibin": self.program, "conffile": self.conffile,
                       "socket": os.path.join(self.dir, "fcgi.sock"), "wwwdir": self.wwwdir}
        self.env = proc.clean_env(**{**sanitizer.env(self.dir), **self.more_env})

    def _write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def _answers(self):
        if not self.web.running():
            raise RuntimeError(f"{self.web.name} ended with status {self.web.wait()}\n"
                               + self.everything())
        try:
            return client.get(self.base, "/health").status in (200, 503)
        except OSError:
            return False

    def wait_healthy(self):
        """Waits until GET /health says healthy."""
        proc.wait_for(lambda: b'"healthy"' in self.get("/health").body, "/health says healthy",
                      detail=self.everything)
        return self

    def get(self, path, **more):
        return client.get(self.base, path, **more)

    def post(self, path, body, **more):
        return client.post(self.base, path, body, **more)

    def request(self, method, path, body=None, **more):
        return client.request(self.base, method, path, body, **more)

    def curl(self, command, documented="http://localhost:8000"):
        """A documented curl command line; see client.curl."""
        return client.curl(command, documented, self.base)

    def log(self):
        """The worker's log."""
        return proc.read_text(self.logfile)

    def everything(self):
        """All logs, for diagnostics."""
        texts = [f"{name}:\n{proc.read_text(os.path.join(self.dir, name))[-4000:]}"
                 for name in sorted(os.listdir(self.dir)) if name.endswith(".log")]
        return "\n".join(texts)

    def pids(self):
        """Process ids of the workers."""
        raise NotImplementedError

    def stop_web(self):
        """Stops the web server alone, after the requests that it has."""
        self.web.stop(self.web_signal)

    def __exit__(self, kind, _value, _tb):
        try:
            problem = self._stop()
            reports = sanitizer.reports(self.dir, self.everything())
            everything = self.everything() if problem else ""
        finally:
            self._stack.close()
        if reports:
            raise AssertionError(f"sanitizer report:\n{reports}")
        if kind is None and problem:
            raise AssertionError(f"{problem}\n{everything}")


class Nginx(Server):
    """nginx, and a worker that spawn-fcgi started.

    processes: of nginx.
    """

    web_signal = signal.SIGQUIT

    def __init__(self, *args, processes=1, **more):
        if not proc.find("nginx") or not proc.find("spawn-fcgi"):
            tap.skip_all("nginx or spawn-fcgi is not installed")
        super().__init__(*args, **more)
        self.processes = processes
        self.worker = None

    def _start(self):
        self.start_worker()
        snippet = self._write("snippet.conf", sample("nginx/millrace.conf.in", self.values))
        upstream = self._write("upstream.conf",
                               sample("nginx/millrace-upstream.conf.in", self.values))
        conf = self._write("nginx.conf", nginx_conf(
            self.dir, self.port, f"include {snippet};", f"include {upstream};\n{self.extra}",
            self.processes))
        self.web = proc.Process([proc.find("nginx"), "-p", self.dir, "-c", conf,
                                 "-e", os.path.join(self.dir, "nginx.log")],
                                os.path.join(self.dir, "nginx-stderr.log"))

    def start_worker(self):
        """Starts the worker; also again, after its end."""
        self.worker = proc.Process(
            [proc.find("spawn-fcgi"), "-n", "-s", self.values["socket"], "-M", "0600",
             "-b", "1024", "--", self.program, "-c", self.conffile],
            os.path.join(self.dir, "worker-stderr.log"), env=self.env)

    def pids(self):
        return [self.worker.pid] if self.worker.running() else []

    def _stop(self):
        if self.web:
            self.stop_web()
        if self.worker:
            early = not self.worker.running()
            status = self.worker.stop()
            if status or early:
                return f"the worker ended {'by itself ' if early else ''}with status {status}"
        return None


class Lighttpd(Server):
    """lighttpd, which spawns the worker itself."""

    web_signal = signal.SIGINT

    def __init__(self, *args, **more):
        if not proc.find("lighttpd"):
            tap.skip_all("lighttpd is not installed")
        super().__init__(*args, **more)

    def _snippet(self):
        return sample("lighttpd/millrace.conf.in", self.values)

    def _start(self):
        conf = self._write("lighttpd.conf", _LIGHTTPD.format(
            dir=self.dir, port=self.port, wwwdir=self.wwwdir,
            snippet=self._snippet() + "\n" + self.extra))
        self.web = proc.Process([proc.find("lighttpd"), "-D", "-f", conf],
                                os.path.join(self.dir, "lighttpd-stderr.log"), env=self.env)

    def pids(self):
        return proc.children(self.web.pid) if self.web.running() else []

    def _stop(self):
        if not self.web:
            return None
        pids = proc.children(self.web.pid)
        self.stop_web()
        proc.wait_for(lambda: not any(map(proc.alive, pids)), "the workers end",
                      detail=self.everything)
        return None


class Cgi(Lighttpd):
    """lighttpd, which runs millrace as a plain CGI program: one process a request."""

    prefix = "/cgi-bin/millrace.fcgi"

    def pids(self):
        return []    # each lives for one request

    def _snippet(self):
        # A CGI program gets no arguments and only what CGI defines as environment.
        folder = os.path.join(self.wwwdir, "cgi-bin")
        os.mkdir(folder)
        script = os.path.join(folder, "millrace.fcgi")
        variables = {**sanitizer.env(self.dir), **self.more_env}
        with open(script, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n")
            f.writelines(f"export {key}='{value}'\n" for key, value in variables.items())
            f.write(f"MILLRACE_CONFIG='{self.conffile}' exec '{self.program}'\n")
        os.chmod(script, stat.S_IRWXU)
        return _CGI


class Apache(Nginx):
    """Apache httpd with mod_proxy_fcgi, and a worker that spawn-fcgi started."""

    web_signal = signal.SIGWINCH

    def __init__(self, *args, **more):
        if not proc.find("apache2"):
            tap.skip_all("apache2 is not installed")
        super().__init__(*args, **more)

    def _start(self):
        self.start_worker()
        os.chmod(self.dir, 0o755)
        conf = self._write("apache.conf", apache_conf(
            self, self.dir, ("dir", "alias", "proxy", "proxy_fcgi", "headers", "rewrite"),
            sample("apache/millrace.conf.in", self.values),
            "User www-data\nGroup www-data" if os.geteuid() == 0 else ""))
        self.web = proc.Process([proc.find("apache2"), "-d", self.dir, "-f", conf, "-DFOREGROUND"],
                                os.path.join(self.dir, "apache-stderr.log"))

    def _answers(self):
        with contextlib.suppress(OSError):
            os.chmod(self.values["socket"], 0o666)
        return super()._answers()


class ApacheFcgid(Server):
    """Apache httpd with mod_fcgid, which starts the workers, out of a folder with .htaccess.

    It runs as an ordinary user, who may reach the database, as does what it starts.
    """

    user = "postgres"
    prefix = "/t"
    web_signal = signal.SIGTERM
    module = "fcgid"
    handler = "fcgid-script"
    # The server's owner has to let larger bodies through.
    server_wide = "FcgidIPCDir {dir}/fcgid\nFcgidProcessTableFile {dir}/fcgid.table\n" \
        "FcgidMaxRequestLen 4194304"

    def __init__(self, *args, **more):
        if not proc.find("apache2"):
            tap.skip_all("apache2 is not installed")
        if not os.path.exists(f"{_APACHE_MODULES}/mod_{self.module}.so"):
            tap.skip_all(f"Apache's mod_{self.module} is not installed")
        super().__init__(*args, **more)

    def _prepare(self):
        super()._prepare()
        folder = os.path.join(self.wwwdir, "t")
        os.mkdir(folder)
        script, access = shared_hosting()
        program = shutil.copy(self.program, os.path.join(self.dir, "program"))
        variables = {**sanitizer.env(self.dir), **self.more_env, "MILLRACE_CONFIG": self.conffile}
        exports = "".join(f"export {key}='{value}'\n" for key, value in variables.items())
        for name, text in (("millrace.fcgi", re.sub(r"(?m)^exec .*", f"{exports}exec {program}", script)),
                           (".htaccess", access.replace("fcgid-script", self.handler))):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(text)
        os.chmod(os.path.join(folder, "millrace.fcgi"), 0o755)
        self._write("apache.conf", apache_conf(
            self, self.wwwdir, ("dir", "rewrite", self.module),
            self.server_wide.format(dir=self.dir) +
            f"\n<Directory {self.wwwdir}>\nAllowOverride All\nRequire all granted\n</Directory>"))
        os.mkdir(os.path.join(self.dir, "fcgid"))
        if os.geteuid() == 0:
            for path in (self.dir, *(os.path.join(top, name) for top, folders, files
                                     in os.walk(self.dir) for name in folders + files)):
                shutil.chown(path, self.user, self.user)

    def _start(self):
        self.web = proc.Process(
            [*proc.as_user(self.user), proc.find("apache2"), "-d", self.dir,
             "-f", os.path.join(self.dir, "apache.conf"), "-DFOREGROUND"],
            os.path.join(self.dir, "apache-stderr.log"), env=self.env)

    def pids(self):
        return []    # as many as there are requests at a time

    def _stop(self):
        if not self.web:
            return None
        pids = [p for child in proc.children(self.web.pid) for p in proc.children(child)]
        self.stop_web()
        proc.wait_for(lambda: not any(map(proc.alive, pids)), "the workers end",
                      detail=self.everything)
        return None


class ApacheCgi(ApacheFcgid):
    """The same folder where the host has no mod_fcgid: one process a request."""

    module = "cgid"
    handler = "cgi-script"
    server_wide = "ScriptSock {dir}/cgid.sock"
