# Loaded by Python through PYTHONPATH if the C library does not resolve the local cloud's names: makes socket.getaddrinfo
# resolve them, and only them. The file in SANDGATE_NAMES lists them; in a shell that outlives that file, this does
# nothing.
import importlib.machinery
import importlib.util
import json
import os
import socket
import sys

_here = os.path.dirname(os.path.abspath(__file__))
try:
    with open(os.environ.get("SANDGATE_NAMES", ""), encoding="utf-8") as _file:
        _known = json.load(_file)
except (OSError, ValueError):
    _known = None
_getaddrinfo = socket.getaddrinfo


def _is_ours(host):
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if _known is None or not isinstance(name, str):
        return False
    name = name.lower().removesuffix(".")
    return name == _known["domain"] or name.endswith("." + _known["domain"])


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    if not _is_ours(host):
        return _getaddrinfo(host, port, family, type, proto, flags)
    wanted = {socket.AF_INET: ".", socket.AF_INET6: ":"}.get(family, "")
    addresses = [one for one in _known["addresses"] if wanted in one]
    if not addresses:
        return _getaddrinfo(host, port, family, type, proto, flags)
    return [found for one in addresses for found in _getaddrinfo(one, port, family, type, proto, flags)]


socket.getaddrinfo = getaddrinfo

# This module hides the machine's own sitecustomize, so load that one too.
_others = [path for path in sys.path if os.path.abspath(path or ".") != _here]
_next = importlib.machinery.PathFinder.find_spec("sitecustomize", _others)
if _next is not None and _next.loader is not None:
    _next.loader.exec_module(importlib.util.module_from_spec(_next))
