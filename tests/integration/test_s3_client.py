"""The S3 client against a real S3 server, and against what goes wrong on the way to it."""

import sys

import s3_cases
import s3_common
import s3_fault_cases
from harness import proc, s3, sanitizer, tap


def main():
    s3_common.tool_path()
    wanted = sys.argv[1:]
    cases = s3_cases.CASES + s3_fault_cases.CASES + (s3_cases.memory,)
    with tap.Suite() as t, proc.temp_dir() as folder, s3.S3Server() as server:
        client = server.client()
        client.make_bucket("bucket")
        env = s3_common.environment(folder, AWS_ACCESS_KEY_ID=s3.ACCESS,
                                    AWS_SECRET_ACCESS_KEY=s3.SECRET)
        http = {"endpoint": server.endpoint, "insecure": 1}
        for case in cases:
            if not wanted or case.__name__ in wanted:
                with t.case(case.__name__.replace("_", " ")):
                    case(t, server, client, env, http)
        t.is_(sanitizer.reports(folder), "", "no sanitizer report")


main()
