"""What the tests that start servers share: TAP, PostgreSQL, web servers, FastCGI, HTTP.

Everything that starts something is a context manager: leaving the `with` block,
also by an exception or Ctrl-C, stops it and removes its files.
"""
