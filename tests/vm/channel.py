# SPDX-License-Identifier: LGPL-2.1-or-later
"""Commands in the guest, carried out by agent.py; every request has a time limit."""

import base64
import contextlib
import dataclasses
import itertools
import json
import signal
import threading
import time


@dataclasses.dataclass(frozen=True)
class Result:
    """How a command in the guest ended."""
    command: str
    code: int | None        # None: it hung in the kernel
    stdout: str
    stderr: str
    timed_out: bool

    def __str__(self):
        how = "did not end in time" if self.timed_out else f"ended with {self.code}"
        return f"`{self.command}` {how}: {(self.stderr or self.stdout).strip()}"


class CommandFailed(Exception):
    pass


class Stream:
    """A process in the guest whose lines come in as they are written."""

    def __init__(self, machine, ident, command):
        self.machine, self.ident, self.command = machine, ident, command
        self.lines = []             # (stream, text), all since the start
        self.code = None
        self.ended = False

    def mark(self):
        """Where the lines stand now; what is awaited after an action is searched from the mark before it."""
        with self.machine.news:
            return len(self.lines)

    def wait(self, wanted, seconds, since=0, what="a line"):
        """The first line since the mark for which wanted(text) is true."""
        deadline = time.monotonic() + seconds
        with self.machine.news:
            while True:
                for _, text in self.lines[since:]:
                    if wanted(text):
                        return text
                since = len(self.lines)
                left = deadline - time.monotonic()
                if self.ended or left <= 0:
                    why = f"ended with {self.code}" if self.ended else f"no such line in {seconds} s"
                    tail = " | ".join(text for _, text in self.lines[-5:])
                    raise CommandFailed(f"waited for {what} from `{self.command}`: {why}; its last lines: {tail}")
                self.machine.news.wait(left)

    def wait_end(self, seconds):
        deadline = time.monotonic() + seconds
        with self.machine.news:
            while not self.ended:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise CommandFailed(f"`{self.command}` did not end in {seconds} s")
                self.machine.news.wait(left)
        return self.code

    def close_stdin(self):
        self.machine.request({"op": "feed", "of": self.ident, "data": None}, 10)

    def signal(self, number=signal.SIGTERM):
        if not self.ended:
            self.machine.request({"op": "signal", "of": self.ident, "number": int(number)}, 10)

    def stop(self, seconds=10):
        self.signal(signal.SIGTERM)
        return self.wait_end(seconds)


class Channel:
    """Our end of the command channel. Whoever has it sets `channel` to a socket, and tells by need_alive() if QEMU is over."""

    def __init__(self):
        self.news = threading.Condition()       # told of every message from the guest
        self.answers, self.streams = {}, {}
        self.boot_id = None
        self.boots = 0
        self.ids = itertools.count(1)
        self.channel = None

    def listen(self):
        threading.Thread(target=self._listen, args=(self.channel,), daemon=True).start()

    def _listen(self, channel):
        buffer = b""
        while True:
            try:
                data = channel.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                return
            buffer += data
            *lines, buffer = buffer.split(b"\n")
            for line in lines:
                with contextlib.suppress(ValueError):   # a line that a reboot cut off
                    self._take(json.loads(line))

    def _take(self, message):
        with self.news:
            if "hello" in message:
                if message["hello"] != self.boot_id:
                    self.boot_id = message["hello"]
                    self.boots += 1
                for stream in self.streams.values():    # they went down with the old agent
                    stream.ended = True
                self.streams.clear()
            elif "line" in message:
                stream = self.streams.get(message["id"])
                if stream:
                    text = base64.b64decode(message["line"]).decode(errors="replace").rstrip("\n")
                    stream.lines.append((message["stream"], text))
            elif message["id"] in self.streams and message.get("end"):
                stream = self.streams.pop(message["id"])
                stream.ended, stream.code = True, message.get("code")
                if "error" in message:      # it could not be started: the request waits for that
                    self.answers[message["id"]] = message
            else:
                self.answers[message["id"]] = message
            self.news.notify_all()

    def request(self, message, seconds):
        ident = message.setdefault("id", next(self.ids))
        try:
            self.channel.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self.need_alive()
            raise
        deadline = time.monotonic() + seconds
        boots = self.boots
        with self.news:
            while ident not in self.answers:
                self.need_alive()
                if self.boots != boots:
                    raise CommandFailed("the guest rebooted before it answered")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise CommandFailed(f"the guest did not answer in {seconds} s ({message['op']})")
                self.news.wait(min(left, 1))
            answer = self.answers.pop(ident)
        if "error" in answer:
            raise CommandFailed(f"{message['op']}: {answer['error']}")
        return answer

    def run(self, command, seconds=120, *, check=True, stdin=b""):
        """A shell command in the guest. With check, an exit code other than 0 is an exception with what it said."""
        answer = self.request({"op": "run", "command": command, "timeout": seconds,
                               "stdin": base64.b64encode(stdin).decode()}, seconds + 15)
        result = Result(command, answer["code"], base64.b64decode(answer["stdout"]).decode(errors="replace"),
                        base64.b64decode(answer["stderr"]).decode(errors="replace"), answer["timed_out"])
        if check and (result.timed_out or result.code != 0):
            raise CommandFailed(str(result))
        return result

    def out(self, command, seconds=120):
        return self.run(command, seconds).stdout.strip()

    def start_stream(self, command):
        ident = next(self.ids)
        stream = Stream(self, ident, command)
        with self.news:
            self.streams[ident] = stream
        self.request({"op": "start", "id": ident, "command": f"exec {command}"}, 15)
        return stream

    def put(self, path, data, mode=0o644):
        if isinstance(data, str):
            data = data.encode()
        # Against a hang only: on a busy machine a large file needs minutes to an emulated guest.
        self.request({"op": "put", "path": path, "data": base64.b64encode(data).decode(), "mode": mode}, 240)

    def get(self, path):
        # As long as put()'s limit, for the same reason.
        return base64.b64decode(self.request({"op": "get", "path": path}, 240)["data"])
