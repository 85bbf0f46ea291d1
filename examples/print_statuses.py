# Runs a program unchanged, and prints the status of each request that `requests` makes.
import runpy
import sys

import requests

_request = requests.Session.request


def request(self, *args, **kwargs):
    response = _request(self, *args, **kwargs)
    print("status", response.status_code, flush=True)
    return response


requests.Session.request = request
runpy.run_path(sys.argv[1], run_name="__main__")
