"""Steers schemathesis to few sandboxes and to addresses of this site, or hardly any write would get through.

Only valid values are replaced, and only by valid ones: what it broke on purpose stays broken.
"""

import random
import re

import schemathesis

IDS = ["abc", "abd", "x1"]
TOKEN_IDS = ["a", "b", "t-1"]


def one_of(value, pattern, choices):
    valid = isinstance(value, str) and re.fullmatch(pattern, value)
    return random.choice(choices) if valid and random.random() < 0.9 else value


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    for name, pattern, choices in (
        ("sandboxId", r"[a-z0-9]{1,63}", IDS),
        ("tokenId", r"[A-Za-z0-9._-]{1,64}", TOKEN_IDS),
    ):
        if path_parameters and name in path_parameters:
            path_parameters[name] = one_of(path_parameters[name], pattern, choices)
    return path_parameters


@schemathesis.hook
def map_headers(context, headers):
    # A generated version never matches the stored one.
    for name, pattern in (("if-match", r'"[0-9a-f.]+(/[0-9a-f.]+)?"'), ("if-none-match", r"\*")):
        if headers and one_of(headers.get(name), pattern, [None]) is None:
            headers.pop(name, None)
    return headers


@schemathesis.hook
def map_body(context, body):
    for record in body if isinstance(body, list) else [body]:
        steer(record)
    return body


def steer(record):
    if not isinstance(record, dict):
        return
    if "sandboxId" in record:
        record["sandboxId"] = one_of(record["sandboxId"], r"[a-z0-9]{1,63}", IDS)
    for part in (record, record.get("runtime"), record.get("access")):
        if isinstance(part, dict):
            route = part.get("route")
            if isinstance(route, dict) and isinstance(route.get("address"), str):
                route["address"] = "10.0.3.7"
            if one_of(part.get("version"), r"[0-9a-f]{16}\.[0-9]{1,15}", [None]) is None:
                part.pop("version", None)
            mask = part.get("maskRequestHost")
            if isinstance(mask, str) and len(mask) <= 255:
                part["maskRequestHost"] = "localhost:${PORT}"
