"""Where credentials come from: the chain, against local fakes of what AWS runs."""

import hashlib
import os
import re
import subprocess

import s3_common
from harness import fakeaws, proc, sanitizer, tap
from s3_common import is_good, is_refused, run

BY_HAND = {"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "env/secret"}


def write(folder, name, text, mode=0o600):
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def shown(done):
    """The lines of `creds` as dicts."""
    return [dict(re.findall(r"(\w+)=(\S*)", line)) for line in done.stdout.decode().splitlines()]


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def is_creds(t, done, name, access, secret, token=""):
    if not is_good(t, done, name):
        return
    found = shown(done)[-1]
    t.is_((found["access_key"], found["secret"], found["token"]),
          (access, sha256(secret), sha256(token)), f"{name}: they are right")
    t.unlike(done.stderr, re.escape(secret), f"{name}: shows no secret")


def order(t, folder, aws):
    """Each source is used only when those before it have nothing."""
    token = write(folder, "web", "web.identity.token\n")
    shared = write(folder, "shared", "[default]\naws_access_key_id = FILE\n"
                   "aws_secret_access_key = file/secret\n[other]\naws_access_key_id = OTHER\n"
                   "aws_secret_access_key = other/secret\naws_session_token = other-token\n")
    layers = [
        ("EC2", {"AWS_EC2_METADATA_DISABLED": "false",
                 "AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.endpoint + "/"},
         ("EC21", "ec2/secret1", "ec2-token1")),
        ("container", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.endpoint + "/container"},
         ("CONTAINER1", "container/secret1", "container-token1")),
        ("web identity", {"AWS_WEB_IDENTITY_TOKEN_FILE": token, "AWS_ROLE_ARN": "arn:aws:iam::1:role/w",
                          "AWS_ENDPOINT_URL_STS": aws.endpoint},
         ("WEB1", "web/secret1", "web-token&1")),
        ("shared file", {"AWS_SHARED_CREDENTIALS_FILE": shared}, ("FILE", "file/secret", "")),
        ("a profile", {"AWS_PROFILE": "other"}, ("OTHER", "other/secret", "other-token")),
        ("environment", {"AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "env/secret",
                         "AWS_SESSION_TOKEN": "env-token"}, ("ENV", "env/secret", "env-token")),
        ("environment, as the original has it",
         {"CLIENT_S3_ACCESS_KEY": "CLIENT", "CLIENT_S3_SECRET_KEY": "client/secret"},
         ("CLIENT", "client/secret", "")),
    ]
    env = s3_common.environment(folder)
    for name, variables, want in layers:
        aws.reset()
        env = {**env, **variables}
        is_creds(t, run(env, "creds", insecure=1), name, *want)
        t.ok(aws.requests or not want[0].endswith("1"), f"{name}: asks or does not ask")
        if not want[0].endswith("1"):
            t.is_(aws.requests, [], f"{name}: nothing else is asked")
    home = s3_common.environment(folder)
    os.makedirs(os.path.join(folder, ".aws"), exist_ok=True)
    write(folder, ".aws/credentials", "[default]\naws_access_key_id=HOME\naws_secret_access_key=h\n")
    is_creds(t, run(home, "creds"), "~/.aws/credentials", "HOME", "h")
    is_creds(t, run(env, "creds", profile="other"), "the environment comes before a profile", "CLIENT",
             "client/secret")
    is_creds(t, run({**home, "AWS_SHARED_CREDENTIALS_FILE": shared}, "creds", profile="other"),
             "a profile by option", "OTHER", "other/secret", "other-token")
    os.unlink(os.path.join(folder, ".aws/credentials"))


def ec2(t, folder, aws):
    env = s3_common.environment(folder, AWS_EC2_METADATA_DISABLED="false",
                                AWS_EC2_METADATA_SERVICE_ENDPOINT=aws.endpoint)
    roles = "/latest/meta-data/iam/security-credentials/"
    aws.reset()
    is_creds(t, run(env, "creds"), "version 2", "EC21", "ec2/secret1", "ec2-token1")
    t.is_(aws.paths(), [("PUT", "/latest/api/token"), ("GET", roles), ("GET", roles + aws.role)],
          "the token is asked for first")
    aws.reset(role=None)
    is_refused(t, run(env, "creds"), r"^no credentials: .*EC2", "a machine without a role")
    aws.reset(status=403)
    is_refused(t, run(env, "creds"), r"^no credentials: ", "a service that is switched off")
    aws.reset(status=500)
    is_refused(t, run(env, "creds"), r"^EC2 metadata service: answered with status 500$",
               "a service that fails", again=True)
    gone = {**env, "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:1"}
    is_refused(t, run(gone, "creds"), r"^no credentials: ", "no service at all")
    aws.reset()
    proxied = {**env, "http_proxy": "http://127.0.0.1:1", "all_proxy": "http://127.0.0.1:1"}
    is_creds(t, run(proxied, "creds"), "a proxy is not asked", "EC21", "ec2/secret1", "ec2-token1")


def container(t, folder, aws):
    env = s3_common.environment(folder, AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.endpoint + "/container")
    want = "CONTAINER1", "container/secret1", "container-token1"
    token = write(folder, "container-token", "from a file\n")
    for name, variables, header in (
            ("without a token", {}, None),
            ("token of a variable", {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "from a variable"},
             "from a variable"),
            ("token of a file", {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token,
                                 "AWS_CONTAINER_AUTHORIZATION_TOKEN": "other"}, "from a file")):
        aws.reset(want={"authorization": header} if header else {})
        is_creds(t, run({**env, **variables}, "creds"), name, *want)
    aws.reset(want={"authorization": "right"})
    done = run({**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "wrong-token"}, "creds")
    is_refused(t, done, r"^container credentials: answered with status 401$", "a wrong token")
    t.unlike(done.stderr, "wrong-token", "a wrong token: is not shown")
    is_refused(t, run({**env, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nonexistent"}, "creds"),
               r"TOKEN_FILE: /nonexistent: No such file", "no file of a token")
    elsewhere = {**env, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/x"}
    is_refused(t, run(elsewhere, "creds"), r"FULL_URI: must be https://", "another host over http")


def web_identity(t, folder, aws):
    token = write(folder, "web", "web.identity+token/=\n")
    env = s3_common.environment(folder, AWS_WEB_IDENTITY_TOKEN_FILE=token,
                                AWS_ROLE_ARN="arn:aws:iam::1:role/w", AWS_ENDPOINT_URL_STS=aws.endpoint)
    aws.reset(want={"RoleArn": "arn:aws:iam::1:role/w", "WebIdentityToken": "web.identity+token/=",
                    "RoleSessionName": "a session"})
    is_creds(t, run({**env, "AWS_ROLE_SESSION_NAME": "a session"}, "creds", insecure=1),
             "web identity", "WEB1", "web/secret1", "web-token&1")
    t.ok("authorization" not in aws.requests[0][2], "the request is not signed")
    is_refused(t, run(env, "creds", insecure=1), r"^STS AssumeRoleWithWebIdentity at .* AccessDenied",
               "another session's name")
    is_refused(t, run(env, "creds"), r"http:// would send data in the clear", "http without insecure")
    is_refused(t, run({**env, "AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent"}, "creds", insecure=1),
               r"/nonexistent: No such file", "no token")
    is_refused(t, run({k: v for k, v in env.items() if k != "AWS_ROLE_ARN"}, "creds"),
               r"without AWS_ROLE_ARN", "no role")


def assume_role(t, folder, aws):
    env = s3_common.environment(folder, **BY_HAND)
    role = {"role_arn": "arn:aws:iam::1:role/r", "external_id": "a+b/c=d,e@f:g", "insecure": 1,
            "sts_endpoint": aws.endpoint}
    aws.reset(want={"RoleArn": role["role_arn"], "ExternalId": role["external_id"],
                    "RoleSessionName": "millrace", "DurationSeconds": "3600"})
    is_creds(t, run(env, "creds", **role), "AssumeRole", "ROLE1", "role/secret1", "role-token&1")
    t.like(aws.requests[0][2]["authorization"],
           r"Credential=ENV/\d{8}/us-east-1/sts/aws4_request, SignedHeaders=\S*host\S*, Signature=",
           "it is signed with what the chain found")
    is_refused(t, run(env, "creds", **{**role, "external_id": "wrong"}),
               r"^STS AssumeRole at .* AccessDenied; check .*external id", "a wrong external id")
    is_refused(t, run(env, "creds", **{k: v for k, v in role.items() if k != "external_id"}),
               r"AccessDenied", "no external id")
    aws.reset(status=500)
    is_refused(t, run(env, "creds", **role), r"^STS AssumeRole at .*status 500", "STS fails", again=True)
    aws.reset()
    token = write(folder, "web", "web")
    env = s3_common.environment(folder, AWS_WEB_IDENTITY_TOKEN_FILE=token, AWS_ROLE_ARN="arn:w",
                                AWS_ENDPOINT_URL_STS=aws.endpoint)
    is_creds(t, run(env, "creds", role_arn="arn:r", insecure=1), "on top of a web identity", "ROLE2",
             "role/secret2", "role-token&2")
    t.is_(aws.requests[1][2].get("x-amz-security-token"), "web-token&1",
          "the session token of the first is sent with the second")


def freshness(t, folder, aws):
    env = s3_common.environment(folder, AWS_EC2_METADATA_DISABLED="false",
                                AWS_EC2_METADATA_SERVICE_ENDPOINT=aws.endpoint)
    for life_s, keys in ((3600, ["EC21"] * 3), (240, ["EC21", "EC22", "EC23"])):
        aws.reset(life_s=life_s)
        done = run(env, "creds", "3")
        t.is_([c["access_key"] for c in shown(done)], keys,
              f"credentials for {life_s} s are kept, or replaced 5 minutes ahead")


def sealed(t, folder, _aws):
    admin = os.path.join(proc.BUILDDIR, "cron", "millrace-admin")
    keys = os.path.join(folder, "keys")
    env = s3_common.environment(folder, **BY_HAND)

    text = subprocess.run([admin, "-k", keys, "seal", "--make-key"], input="sealed/secret\n", text=True,
                          capture_output=True, check=True, env=env).stdout.strip()
    mine = {"access_key": "SEALED", "secret_key": text, "key_file": keys}
    is_creds(t, run(env, "creds", **mine), "a sealed secret comes before all else", "SEALED",
             "sealed/secret")
    os.chmod(keys, 0o644)
    is_refused(t, run(env, "creds", **mine), r"^secret_key: key file .*keys: its mode is 0644.*chmod 600",
               "a key file that others can read")
    os.chmod(keys, 0o600)
    is_refused(t, run(env, "creds", **{**mine, "secret_key": text[:-4] + "AAAA"}),
               r"^secret_key: the sealed value was altered", "an altered value")
    is_refused(t, run(env, "creds", **{**mine, "secret_key": "clear/secret"}),
               r"^secret_key is not sealed; .*millrace-admin seal", "a secret in the clear")


with tap.Suite() as t, proc.temp_dir() as folder, fakeaws.FakeAws() as aws:
    s3_common.tool_path()
    for case in (order, ec2, container, web_identity, assume_role, freshness, sealed):
        with t.case(case.__name__.replace("_", " ")):
            case(t, folder, aws)
    t.is_(sanitizer.reports(folder), "", "no sanitizer report")
