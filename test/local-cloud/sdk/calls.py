# What a program can do with E2B's SDK for Python against the local cloud, call by call: see calls.mjs.
import asyncio
import json
import os
import secrets
import time
import traceback

import requests
from e2b import AsyncSandbox, CommandExitException, NotFoundException, Sandbox, SandboxQuery, SandboxState


def check(call):
    def run(work):
        try:
            work()
            print(json.dumps({"call": call, "works": True}), flush=True)
        except Exception:
            print(json.dumps({"call": call, "works": False, "error": traceback.format_exc()}), flush=True)

    return run


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"{actual!r} is not {expected!r}")


def eventually(holds):
    until = time.monotonic() + 10
    while not holds():
        if time.monotonic() > until:
            raise AssertionError("it did not come about within 10 s")
        time.sleep(0.05)


def ask(sandbox, port, token=True):
    headers = {"e2b-traffic-access-token": sandbox.traffic_access_token} if token else {}
    return requests.get(f"https://{sandbox.get_host(port)}", headers=headers)


box = None
tag = secrets.token_hex(6)


@check("Sandbox.create")
def _():
    global box
    box = Sandbox.create(
        network={"allow_public_traffic": False}, metadata={"tag": tag}, envs={"FROM_CREATE": "yes"}, timeout=600
    )
    equal(len(box.sandbox_id), 21)
    equal(len(box.traffic_access_token), 64)


@check("Sandbox.create: unknown template is refused")
def _():
    try:
        Sandbox.create("no-such-template")
    except Exception as error:
        equal("template 'no-such-template' not found" in str(error), True)
    else:
        raise AssertionError("it was created")


@check("Sandbox.connect")
def _():
    again = Sandbox.connect(box.sandbox_id)
    equal(again.traffic_access_token, box.traffic_access_token)
    equal(again.commands.run("echo same").stdout, "same\n")


@check("Sandbox.list")
def _():
    pages = Sandbox.list(query=SandboxQuery(metadata={"tag": tag}, state=[SandboxState.RUNNING]))
    equal([one.sandbox_id for one in pages.next_items()], [box.sandbox_id])
    equal(pages.has_next, False)


@check("sandbox.getInfo")
def _():
    info = box.get_info()
    equal((info.sandbox_id, info.metadata["tag"]), (box.sandbox_id, tag))


@check("sandbox.setTimeout")
def _():
    box.set_timeout(1200)
    equal(box.get_info().end_at.timestamp() > time.time() + 1000, True)


@check("sandbox.isRunning")
def _():
    equal(box.is_running(), True)


@check("commands.run")
def _():
    done = box.commands.run("echo out; echo err >&2")
    equal((done.stdout, done.stderr, done.exit_code), ("out\n", "err\n", 0))


@check("commands.run: exit codes")
def _():
    for command, code in (("exit 3", 3), ("no-such-command", 127)):
        try:
            box.commands.run(command)
        except CommandExitException as error:
            equal(error.exit_code, code)
        else:
            raise AssertionError("it did not fail")


@check("commands.run: envs")
def _():
    equal(box.commands.run("echo $GIVEN $FROM_CREATE", envs={"GIVEN": "now"}).stdout, "now yes\n")


@check("commands.run: cwd")
def _():
    equal(box.commands.run("pwd", cwd="/tmp").stdout, "/tmp\n")


@check("commands.run: user")
def _():
    equal(box.commands.run("whoami; echo $HOME").stdout, "user\n/home/user\n")
    equal(box.commands.run("whoami", user="root").stdout, "root\n")


@check("commands.run: timeout")
def _():
    try:
        box.commands.run("sleep 30", timeout=0.5)
    except Exception as error:
        equal(type(error).__name__, "TimeoutException")
    else:
        raise AssertionError("it did not end")


@check("commands.run: streamed output")
def _():
    seen = []
    box.commands.run("for n in 1 2 3; do echo $n; sleep 0.1; done", on_stdout=seen.append)
    equal("".join(seen), "1\n2\n3\n")
    equal(len(seen) > 1, True)


@check("commands.run: background, wait")
def _():
    equal(box.commands.run("sleep 0.2; echo done", background=True).wait().stdout, "done\n")


@check("commands.list")
def _():
    handle = box.commands.run("sleep 60", background=True)
    equal(handle.pid in [one.pid for one in box.commands.list()], True)
    handle.kill()


@check("commands.kill")
def _():
    handle = box.commands.run("sleep 60", background=True)
    equal((box.commands.kill(handle.pid), box.commands.kill(handle.pid + 100_000)), (True, False))


@check("commands.sendStdin, closeStdin")
def _():
    handle = box.commands.run("cat", background=True, stdin=True)
    box.commands.send_stdin(handle.pid, "typed\n")
    box.commands.close_stdin(handle.pid)
    equal(handle.wait().stdout, "typed\n")


@check("commands.connect")
def _():
    handle = box.commands.run("sleep 0.5; echo late", background=True)
    equal(box.commands.connect(handle.pid).wait().stdout, "late\n")


@check("pty.create, sendInput, resize, kill")
def _():
    from e2b.sandbox.commands.command_handle import PtySize

    terminal = box.pty.create(PtySize(rows=24, cols=80))
    box.pty.resize(terminal.pid, PtySize(rows=30, cols=100))
    box.pty.send_stdin(terminal.pid, b"echo size $(stty size)\n")
    seen = []

    # Not before its output is there: node-pty drops what a busy machine has not read 200 ms after the end.
    def end_after_output(data):
        seen.append(bytes(data).decode())
        if "size 30 100" in "".join(seen) and "exit" not in seen:
            seen.append("exit")
            box.pty.send_stdin(terminal.pid, b"exit\n")

    terminal.wait(on_pty=end_after_output)
    equal("size 30 100" in "".join(seen), True)
    other = box.pty.create(PtySize(rows=24, cols=80))
    equal(box.pty.kill(other.pid), True)


@check("files.write, read")
def _():
    box.files.write("notes/a.txt", "text")
    equal(box.files.read("notes/a.txt"), "text")
    equal(box.commands.run("cat ~/notes/a.txt; stat -c %U ~/notes/a.txt").stdout, "textuser\n")


@check("files.write: several")
def _():
    box.files.write_files([{"path": "notes/b.txt", "data": "b"}, {"path": "notes/c.txt", "data": "c"}])
    equal(box.files.read("notes/b.txt") + box.files.read("notes/c.txt"), "bc")


@check("files.write, read: 10 MB of bytes")
def _():
    data = os.urandom(10 * 1024 * 1024)
    box.files.write("large.bin", data)
    equal(bytes(box.files.read("large.bin", format="bytes")) == data, True)


@check("files.list")
def _():
    equal(sorted(one.name for one in box.files.list("notes")), ["a.txt", "b.txt", "c.txt"])


@check("files.exists, getInfo")
def _():
    equal((box.files.exists("notes/a.txt"), box.files.exists("notes/none")), (True, False))
    equal(box.files.get_info("notes/a.txt").size, 4)


@check("files.makeDir")
def _():
    equal((box.files.make_dir("made/deep"), box.files.make_dir("made/deep")), (True, False))


@check("files.rename")
def _():
    box.files.rename("notes/c.txt", "made/c.txt")
    equal(box.files.read("made/c.txt"), "c")


@check("files.remove")
def _():
    box.files.remove("made")
    equal(box.files.exists("made"), False)


@check("files.watchDir")
def _():
    watch = box.files.watch_dir("notes")
    box.files.write("notes/watched.txt", "x")
    eventually(lambda: "watched.txt" in [event.name for event in watch.get_new_events()])
    watch.stop()


@check("sandbox.uploadUrl, downloadUrl (signed)")
def _():
    sent = requests.post(box.upload_url("up.txt"), files={"file": ("up.txt", b"uploaded")})
    equal((sent.status_code, requests.get(box.download_url("up.txt")).text), (200, "uploaded"))


box.commands.run("mkdir -p ~/served; echo hello > ~/served/index.html")
box.commands.run("python -m http.server 8080 --directory ~/served", background=True, timeout=0)


@check("getHost: 403 without the token, 200 with it")
def _():
    equal((ask(box, 8080, False).status_code, ask(box, 8080).status_code), (403, 200))
    equal(ask(box, 8080).text, "hello\n")


@check("getHost: a port where nothing listens is 502")
def _():
    equal(ask(box, 9999).status_code, 502)


@check("sandbox.updateNetwork")
def _():
    box.update_network({"deny_out": ["203.0.113.0/24"]})
    equal((ask(box, 8080, False).status_code, ask(box, 8080).status_code), (403, 200))


@check("two sandboxes on one port, one public with maskRequestHost")
def _():
    other = Sandbox.create(network={"mask_request_host": "localhost:${PORT}"})
    try:
        other.commands.run("echo other > index.html; python -m http.server 8080", background=True, timeout=0)
        equal((ask(other, 8080, False).text, ask(box, 8080).text), ("other\n", "hello\n"))
    finally:
        other.kill()


@check("sandbox.pause, connect")
def _():
    global box
    box.files.write("kept", "kept")
    box.pause()
    equal(ask(box, 8080).status_code, 502)
    box = Sandbox.connect(box.sandbox_id)
    equal((ask(box, 8080).status_code, box.files.read("kept")), (200, "kept"))


@check("AsyncSandbox: create, commands.run, files, kill")
def _():
    async def work():
        sandbox = await AsyncSandbox.create()
        equal((await sandbox.commands.run("echo async")).stdout, "async\n")
        await sandbox.files.write("a.txt", "text")
        equal(await sandbox.files.read("a.txt"), "text")
        equal(await sandbox.kill(), True)

    asyncio.run(work())


@check("sandbox.kill")
def _():
    equal(box.kill(), True)
    equal((box.is_running(), ask(box, 8080).status_code), (False, 502))
    equal(Sandbox.kill(box.sandbox_id), False)


os._exit(0)
