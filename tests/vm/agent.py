# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in the guest: carries out what the rig asks for over a virtio-serial port.

One JSON object a line, both ways; bytes are base64. Requests: run, start, feed, signal, put, get.
It is started before udev and needs nothing of it: the port is found through sysfs.
"""

import base64
import glob
import json
import os
import select
import signal
import subprocess
import threading

PORT_NAME = "vfio-bind.agent"
SHELL = "/bin/sh"

write_lock = threading.Lock()
started = {}


def open_port():
    for name in glob.glob("/sys/class/virtio-ports/*/name"):
        with open(name, encoding="ascii") as file:
            if file.read().strip() == PORT_NAME:
                return os.open("/dev/" + name.split("/")[-2], os.O_RDWR)
    raise SystemExit("no virtio port named " + PORT_NAME)


def send(port, message):
    data = json.dumps(message).encode() + b"\n"
    with write_lock:
        while data:
            data = data[os.write(port, data):]


def b64(data):
    return base64.b64encode(data).decode()


def shell(request):
    return subprocess.Popen([SHELL, "-c", request["command"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, start_new_session=True,
                            env=dict(os.environ, HOME="/root", LC_ALL="C.UTF-8", PATH="/usr/local/sbin:/usr/local/bin:"
                                     "/usr/sbin:/usr/bin:/sbin:/bin"))


def kill(process, number):
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass


def do_run(_port, request):
    process = shell(request)
    timed_out = False
    try:
        out, err = process.communicate(base64.b64decode(request.get("stdin", "")), request["timeout"])
    except subprocess.TimeoutExpired:
        timed_out = True
        kill(process, signal.SIGKILL)
        try:
            out, err = process.communicate(timeout=2)
        except subprocess.TimeoutExpired as hung:  # in the kernel, where not even SIGKILL reaches it
            out, err = hung.stdout or b"", hung.stderr or b""
    return {"code": process.poll(), "timed_out": timed_out, "stdout": b64(out), "stderr": b64(err)}


def do_start(port, request):
    """A process that goes on: its output is sent line by line, its end at last."""
    process = shell(request)
    started[request["id"]] = process
    send(port, {"id": request["id"], "pid": process.pid})

    def pump(stream, name):
        for line in stream:
            send(port, {"id": request["id"], "stream": name, "line": b64(line)})

    pumps = [threading.Thread(target=pump, args=(process.stdout, "stdout"), daemon=True),
             threading.Thread(target=pump, args=(process.stderr, "stderr"), daemon=True)]
    for thread in pumps:
        thread.start()
    code = process.wait()
    for thread in pumps:
        thread.join(2)
    return {"code": code}


def do_feed(_port, request):
    process = started[request["of"]]
    if request["data"] is None:
        process.stdin.close()
    else:
        process.stdin.write(base64.b64decode(request["data"]))
        process.stdin.flush()
    return {}


def do_signal(_port, request):
    kill(started[request["of"]], request["number"])
    return {}


def do_put(_port, request):
    # Whole or not at all: a daemon that watches the file must not read half of it.
    path = request["path"]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".rig-new", "wb") as file:
        file.write(base64.b64decode(request["data"]))
    os.chmod(path + ".rig-new", request["mode"])
    os.rename(path + ".rig-new", path)
    return {}


def do_get(_port, request):
    with open(request["path"], "rb") as file:
        return {"data": b64(file.read())}


def serve(port, request):
    try:
        answer = globals()["do_" + request["op"]](port, request)
    except Exception as error:  # whatever it was, the rig waits for an answer
        answer = {"error": f"{type(error).__name__}: {error}"}
    send(port, {"id": request["id"], "end": True, **answer})


def main():
    port = open_port()
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    # The newline ends whatever an earlier agent was sending when the machine went down.
    os.write(port, b"\n")
    send(port, {"hello": boot})
    poll = select.poll()
    poll.register(port, select.POLLIN)
    buffer = b""
    while True:
        poll.poll()
        data = os.read(port, 1 << 16)
        if not data:
            raise SystemExit("the host closed the command channel")
        buffer += data
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            try:
                request = json.loads(line)
            except ValueError:
                continue  # the rest of a request that an earlier agent did not read
            threading.Thread(target=serve, args=(port, request), daemon=True).start()


if __name__ == "__main__":
    main()
