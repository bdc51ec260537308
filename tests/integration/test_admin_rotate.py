"""millrace-admin rotate: new keys are tried with a real bucket before they replace the old."""

import os
import pty
import re
import shutil
import stat
import subprocess

from exporting import Bucket, Exporter, check_complete, insert
from harness import postgres, proc, s3, sanitizer, tap
from s3_common import environment

CANARY = "_millrace/canary"
# Users of the server, with a key that a case may rotate to.
READER = ("READERKEY", "reader/secret+of=it")
WRITER = ("WRITERKEY", "writer/secret+of=it/which-is-the-longest")
SECOND = ("SECONDKEY", "second/secret+of=the.owner")
WRONG = "no/secret+of=anybody"


def admin_path():
    return proc.built("cron", "millrace-admin")


class Admin:
    """millrace-admin with a key file, and a configuration that is written by hand."""

    def __init__(self, folder):
        self.folder, self.keys = folder, os.path.join(folder, "keys")
        self.ini = os.path.join(folder, "millrace.ini")
        self.run("-k", self.keys, "seal", "--make-key", data="x")

    def run(self, *args, data="", prefix=(), **env):
        return subprocess.run([*prefix, admin_path(), *args], input=data, text=True, check=False,
                              capture_output=True, timeout=2 * proc.DEADLINE_S,
                              env=environment(self.folder, **env))

    def seal(self, secret):
        return self.run("-k", self.keys, "seal", data=secret).stdout.strip()

    def write(self, text, path=None):
        with open(path or self.ini, "w", encoding="utf-8", newline="") as f:
            f.write(text)

    def rotate(self, *args, keys=WRITER, ini=None, **env):
        return self.run("-c", ini or self.ini, "rotate", *args, data="\n".join(keys) + "\n", **env)


def text_of(path):
    with open(path, encoding="utf-8", newline="") as f:
        return f.read()


def shows_nothing(t, name, done, *texts):
    told = done.stdout + done.stderr + "".join(texts)
    secrets = (s3.SECRET, READER[1], WRITER[1], SECOND[1], WRONG)
    t.ok(not any(secret in told for secret in secrets), f"{name}: no secret is shown")


def refused(t, admin, name, pattern, *args, ini=None, **more):
    """One line that says why; the file is the very one that it was."""
    path = ini or admin.ini
    before, mark = text_of(path), os.stat(path)
    done = admin.rotate(*args, ini=ini, **more)
    t.is_((done.returncode, done.stdout), (1, ""), f"{name}: fails")
    t.like(done.stderr, rf"\Amillrace-admin: .*(?:{pattern}).*\n\Z",
           f"{name}: says why in one line")
    t.is_(text_of(path), before, f"{name}: the file is as it was")
    now = os.stat(path)
    t.is_((now.st_ino, now.st_mtime_ns), (mark.st_ino, mark.st_mtime_ns), f"{name}: untouched")
    t.is_([n for n in os.listdir(os.path.dirname(path)) if re.search(r"\.\w{6}$", n)], [],
          f"{name}: nothing is left behind")
    shows_nothing(t, name, done)


def bucket_keys(server, bucket, prefix=""):
    return (f"bucket = {bucket}\nprefix = {prefix}\nendpoint = {server.tls_endpoint}\n"
            f"ca_file = {server.ca_file}\n")


def good(t, pg, folder, server, client, admin):
    """The export goes on with the new key when the old one is gone."""
    bucket = Bucket(client, "good")
    other = os.path.join(folder, "other")
    os.mkdir(other)
    server.admin("key", "create", "--uid=owner", "--key-type=s3", f"--access-key={SECOND[0]}",
                 f"--secret={SECOND[1]}")
    x = Exporter(folder, pg, {}, env={"HOME": folder, "AWS_EC2_METADATA_DISABLED": "true"})
    admin.write("; keys: {access_key}\r\n[secrets]\n"
                f"key_file = {admin.keys}\n[database]\nurl = {pg.dsn()}\n[client acme]\n"
                f"{bucket_keys(server, 'good', '/data/')}compression = gzip\n"
                f"  access_key={s3.ACCESS} ; of the owner\r\n"
                f"\tsecret_key :  {admin.seal(s3.SECRET)}\n"
                f"# secret_key = not this\n[client other]\nsites = other\nbucket = file://{other}\n"
                "access_key = OTHER")
    os.chmod(admin.ini, 0o640)
    if os.geteuid() == 0:
        os.chown(admin.ini, 0, 12345)
    before, mark = text_of(admin.ini), os.stat(admin.ini)
    link = os.path.join(folder, "link.ini")
    os.symlink("millrace.ini", link)
    x.run("--dry-run")   # makes the tables
    insert(pg, 20)
    x.good(t, "an export with the old key")

    done = admin.rotate("acme", keys=SECOND, ini=link)
    t.is_((done.returncode, done.stderr), (0, ""), "rotate")
    t.like(done.stdout, r"\A\[client acme\] in .*link\.ini has the new keys, .*\n\Z", "it says so")
    after = text_of(admin.ini)
    shows_nothing(t, "rotate", done, after)
    secret = re.search(r"\tsecret_key :  (\S+)\n", after)
    t.is_(after, before.replace(f"={s3.ACCESS} ;", f"={SECOND[0]} ;").replace(
        re.search(r"secret_key :  (\S+)\n", before)[1], secret[1] if secret else "?"),
        "nothing else is different")
    now = os.stat(admin.ini)
    t.is_((stat.S_IMODE(now.st_mode), now.st_uid, now.st_gid), (0o640, mark.st_uid, mark.st_gid),
          "mode and owner are the same")
    t.ok(os.path.islink(link), "the link is still one")
    t.ok(client.get("good", "data/" + CANARY), "the canary lies under the prefix")
    t.is_(bucket.leftovers(), [], "no upload is left")
    client.request("DELETE", "good", "data/" + CANARY)

    server.admin("key", "rm", "--uid=owner", f"--access-key={s3.ACCESS}", "--key-type=s3")
    insert(pg, 30)
    x.good(t, "an export when the old key is gone")
    server.admin("key", "create", "--uid=owner", f"--access-key={s3.ACCESS}",
                 f"--secret={s3.SECRET}", "--key-type=s3")
    check_complete(t, "bucket", bucket, pg)
    t.is_(admin.rotate("acme", keys=(s3.ACCESS, s3.SECRET)).returncode, 0, "and back again")


def policy(bucket, user, actions, what):
    return {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": [f"arn:aws:iam:::user/{user}"]},
         "Action": [f"s3:{action}" for action in actions],
         "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/{what}"]}]}


def refusals(t, _pg, folder, server, client, admin):
    Bucket(client, "refusals", policy("refusals", "reader", ["GetObject", "ListBucket"], "*"))
    Bucket(client, "elsewhere", policy("elsewhere", "writer", ["PutObject",
                                       "AbortMultipartUpload"], "other/*"))
    text = (f"[secrets]\nkey_file = {admin.keys}\n[client acme]\n"
            f"{bucket_keys(server, 'refusals')}access_key = {s3.ACCESS}\n"
            f"secret_key = {admin.seal(s3.SECRET)}\n[client folder]\nsites = f\n"
            f"bucket = file://{folder}\n[client narrow]\nsites = n\n"
            f"{bucket_keys(server, 'elsewhere', 'data')}access_key = {s3.ACCESS}\n"
            f"secret_key = {admin.seal(s3.SECRET)}\n")
    admin.write(text)
    stays = "did not pass, .*millrace.ini stays as it was"
    for name, pattern, args, keys in (
            ("a wrong secret", f"{stays}.*(SignatureDoesNotMatch|AccessDenied)", ["acme"],
             (s3.ACCESS, WRONG)),
            ("an unknown access key", f"{stays}.*(InvalidAccessKeyId|AccessDenied)", ["acme"],
             ("NOBODY", WRONG)),
            ("a read-only key", f"{stays}.*AccessDenied.*s3:PutObject", ["acme"], READER),
            ("a key for another prefix", f"{stays}.*AccessDenied.*s3:PutObject", ["narrow"],
             WRITER),
            ("a cut access key", "access_key has a byte that no key has", ["acme"],
             ("NO BODY", WRONG)),
            ("an access key alone", "new secret key is empty", ["acme"], WRITER[:1]),
            ("three lines", "new secret key has .* a line break", ["acme"], WRITER + ("x",)),
            ("nothing at all", "new access key is empty", ["acme"], ()),
            ("an unknown client", r"no \[client nobody\] in .*millrace.ini", ["nobody"], WRITER),
            ("a folder", "exports to file://.*, a folder", ["folder"], WRITER),
            ("no backup", "client acme has no backup", ["--backup", "acme"], WRITER),
            ("no keys of the backup", r"\[backup\] has no access_key and secret_key", ["--backup"],
             WRITER)):
        refused(t, admin, name, pattern, *args, keys=keys)
    os.chmod(admin.keys, 0o644)
    refused(t, admin, "a key file that others may read", "mode is 0644.*chmod 600", "acme")
    os.chmod(admin.keys, 0o600)
    t.is_(sorted(client.keys("refusals")) + sorted(client.keys("elsewhere")), [],
          "nothing was written")
    for args in (["rotate"], ["rotate", "acme", "x"], ["rotate", "--nonsense", "acme"]):
        t.is_(admin.run("-c", admin.ini, *args).returncode, 2, f"{' '.join(args)}: misused")


def elsewhere(t, _pg, folder, server, _client, admin):
    """Keys that do not stand in the file: it says where they come from."""
    shared = os.path.join(folder, "shared")
    with open(shared, "w", encoding="ascii") as f:
        f.write(f"[default]\naws_access_key_id = A\naws_secret_access_key = {WRONG}\n")
    os.chmod(shared, 0o600)
    start = (f"[secrets]\nkey_file = {admin.keys}\n[client acme]\n"
             f"{bucket_keys(server, 'refusals')}")
    admin.write(start)
    for name, pattern, more, env in (
            ("environment", "come from the environment", "",
             {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": WRONG}),
            ("shared file", "come from the shared credentials file", "",
             {"AWS_SHARED_CREDENTIALS_FILE": shared}),
            ("a role over the environment", "come from the environment", "role_arn = arn:aws:r\n",
             {"CLIENT_S3_ACCESS_KEY": "A", "CLIENT_S3_SECRET_KEY": WRONG}),
            ("nowhere", "that could be changed: no credentials", "", {}),
            ("half of them", "one is set without the other", "access_key = A\n", {})):
        admin.write(start + more)
        refused(t, admin, name, r"\[client acme\] has no access_key and secret_key in .*" + pattern,
                "acme", **env)


def unwritable(t, _pg, folder, server, client, admin):
    Bucket(client, "unwritable", policy("unwritable", "writer", ["PutObject",
                                        "AbortMultipartUpload"], "*"))
    text = (f"[secrets]\nkey_file = {admin.keys}\n[client acme]\n"
            f"{bucket_keys(server, 'unwritable')}access_key = {s3.ACCESS}\n"
            f"secret_key = {admin.seal(s3.SECRET)}")
    # No room for the name of the new file.
    path = os.path.join(folder, "m" * 251 + ".ini")
    admin.write(text, path)
    refused(t, admin, "no new file", "File name too long", "acme", ini=path)
    os.unlink(path)
    # The new line is longer than the INI reader takes.
    admin.write(text + f" ; {'x' * (195 - len(text.splitlines()[-1]))}\n")
    refused(t, admin, "a long comment", "could not be read: .*too long", "acme")

    locked = os.path.join(folder, "locked")
    os.mkdir(locked)
    shutil.copy(admin_path(), folder)
    shutil.copy(admin.keys, locked)
    path = os.path.join(locked, "millrace.ini")
    admin.write(text.replace(admin.keys, os.path.join(locked, "keys")), path)
    user = []
    if os.geteuid() == 0:
        user = proc.as_user("nobody")
        os.chmod(folder, 0o755)
        os.chmod(os.path.dirname(folder), 0o755)
        shutil.chown(os.path.join(locked, "keys"), "nobody")
        shutil.chown(path, "nobody")
    os.chmod(locked, 0o555)
    before = text_of(path)
    done = subprocess.run([*user, os.path.join(folder, "millrace-admin"), "-c", path, "rotate",
                           "acme"], input="\n".join(WRITER) + "\n", text=True, check=False,
                          capture_output=True, env=environment(folder))
    t.is_((done.returncode, done.stdout), (1, ""), "a folder that may not be written: fails")
    t.like(done.stderr, r"\A.*millrace.ini cannot be replaced, .*Permission denied; .*\n\Z",
           "and says why")
    t.is_(text_of(path), before, "the file is as it was")
    os.chmod(locked, 0o755)


def backups(t, _pg, folder, server, client, admin):
    """The keys of [backup] are tried for every client that uses them."""
    Bucket(client, "shared", policy("shared", "writer", ["PutObject", "AbortMultipartUpload"],
                                    "all/a/*"))
    Bucket(client, "own", policy("own", "writer", ["PutObject", "AbortMultipartUpload"], "*"))
    secret, own = admin.seal(s3.SECRET), admin.seal(s3.SECRET)
    client_keys = f"bucket = file://{folder}\n"
    text = (f"[secrets]\nkey_file = {admin.keys}\n[backup]\n{bucket_keys(server, 'shared', 'all')}"
            f"access_key = {admin.seal(s3.ACCESS)}\nsecret_key = {secret}\n"
            f"[client a]\nsites = a\n{client_keys}[client b]\nsites = b\n{client_keys}"
            f"[client c]\nsites = c\n{client_keys}backup_bucket = own\n"
            f"backup_access_key = {s3.ACCESS}\nbackup_secret_key = {own}\n"
            f"[client d]\nsites = d\n{client_keys}backup = off\n")
    admin.write(text)
    refused(t, admin, "one client's prefix is missing", r"client b: .*AccessDenied", "--backup")
    refused(t, admin, "a backup with the shared keys", r"uses the keys of \[backup\]; .*--backup",
            "--backup", "a")
    client.make_bucket("shared", policy("shared", "writer", ["PutObject", "AbortMultipartUpload"],
                                        "all/*"))
    client.request("DELETE", "shared", "all/a/" + CANARY)
    done = admin.rotate("--backup")
    t.is_((done.returncode, done.stderr), (0, ""), "rotate --backup")
    t.is_(sorted(client.keys("shared")), [f"all/{c}/{CANARY}" for c in "ab"],
          "a canary for each client that uses the keys")
    after = text_of(admin.ini)
    t.ok(secret not in after and own in after, "the shared secret was replaced, and no other")
    t.like(after, r"(?m)^access_key = sealed:v1:", "an access key that was sealed is sealed again")
    shows_nothing(t, "rotate --backup", done, after)

    before = after
    done = admin.rotate("--backup", "c")
    t.is_((done.returncode, done.stderr), (0, ""), "rotate --backup c")
    after = text_of(admin.ini)
    new = re.search(r"backup_secret_key = (\S+)", after)[1]
    t.is_(after, before.replace(f"backup_access_key = {s3.ACCESS}",
                                f"backup_access_key = {WRITER[0]}").replace(own, new),
          "the keys of its own backup were replaced")
    t.is_(sorted(client.keys("own")), [f"all/c/{CANARY}"], "and tried there")


def terminal(t, _pg, folder, server, client, admin):
    """Both keys are asked for, and not shown."""
    Bucket(client, "terminal", policy("terminal", "writer", ["PutObject", "AbortMultipartUpload"],
                                      "*"))
    admin.write(f"[secrets]\nkey_file = {admin.keys}\n[client acme]\n"
                f"{bucket_keys(server, 'terminal')}access_key = {s3.ACCESS}\n"
                f"secret_key = {admin.seal(s3.SECRET)}\n")
    master, slave = pty.openpty()
    process = subprocess.Popen([admin_path(), "-c", admin.ini, "rotate", "acme"], stdin=slave,
                               stdout=subprocess.PIPE, stderr=slave, env=environment(folder),
                               start_new_session=True)
    shown = b""
    for name, key in (("access key", WRITER[0]), ("secret key", WRITER[1])):
        while f"new {name} (not shown)".encode() not in shown:
            shown += os.read(master, 1000)
        os.write(master, key.encode() + b"\n")
    told = process.communicate(timeout=2 * proc.DEADLINE_S)[0]
    os.set_blocking(master, False)
    try:
        shown += os.read(master, 1000)
    except BlockingIOError:
        pass
    t.is_(process.returncode, 0, "on a terminal")
    t.ok(WRITER[0].encode() not in shown and WRITER[1].encode() not in shown + told,
         "what is typed is not shown")
    t.like(text_of(admin.ini), rf"(?m)^access_key = {WRITER[0]}$", "the keys were switched")
    for fd in (master, slave):
        os.close(fd)


def main():
    postgres.need()
    admin_path()
    with tap.Suite() as t, postgres.Postgres() as pg, proc.temp_dir() as folder, \
            s3.S3Server() as server:
        server.add_user("reader", *READER)
        server.add_user("writer", *WRITER)
        client = server.client()
        for case in (good, refusals, elsewhere, unwritable, backups, terminal):
            path = os.path.join(folder, case.__name__)
            os.mkdir(path)
            with t.case(case.__name__):
                case(t, pg, path, server, client, Admin(path))
            t.is_(sanitizer.reports(path), "", f"{case.__name__}: no sanitizer report")


main()
