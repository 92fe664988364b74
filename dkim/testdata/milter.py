"""Drives a real opendkim over the milter protocol, for generate.py."""
import os, shutil, socket, struct, subprocess, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))


def frame(cmd, data=b""):
    return struct.pack(">I", len(data) + 1) + cmd + data


class Daemon:
    """An opendkim with the given configuration lines, on a socket of its own."""

    def __init__(self, config, files=None):
        self.dir = tempfile.mkdtemp(prefix="dkimvec")
        for name, data in (files or {}).items():
            with open(os.path.join(self.dir, name), "wb") as f:
                f.write(data.replace(b"@DIR@", self.dir.encode()))
            os.chmod(os.path.join(self.dir, name), 0o600)
        for name in os.listdir(os.path.join(HERE, "keys")):
            shutil.copy(os.path.join(HERE, "keys", name), self.dir)
            os.chmod(os.path.join(self.dir, name), 0o600)
        self.sock = os.path.join(self.dir, "sock")
        path = os.path.join(self.dir, "conf")
        with open(path, "w") as f:
            f.write("Socket local:%s\nBackground no\nSyslog no\nRequireSafeKeys no\n" % self.sock)
            f.write("\n".join(config).replace("@DIR@", self.dir) + "\n")
        self.proc = subprocess.Popen(["opendkim", "-f", "-x", path], stderr=subprocess.PIPE)
        for _ in range(200):
            if os.path.exists(self.sock):
                break
            if self.proc.poll() is not None:
                raise RuntimeError(self.proc.stderr.read().decode())
            time.sleep(0.02)

    def close(self):
        self.proc.kill()
        self.proc.wait()
        shutil.rmtree(self.dir)

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()

    def send(self, fields, body, leadspc=True, chunk=65535, client=b"127.0.0.1"):
        """Sends a message; fields are (name, value) with the leading space in
        value. Returns the (command, data) answers to its end."""
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        for i in range(100):
            try:
                s.connect(self.sock)
                break
            except (ConnectionRefusedError, FileNotFoundError):
                time.sleep(0.02)
        f = s.makefile("rwb")

        def put(cmd, data=b""):
            f.write(frame(cmd, data))
            f.flush()

        def get():
            n, = struct.unpack(">I", f.read(4))
            d = f.read(n)
            return d[:1], d[1:]

        def ask(cmd, data=b""):
            put(cmd, data)
            return get()

        ask(b"O", struct.pack(">III", 6, 0x1FF, 0x100400 if leadspc else 0x400))
        ask(b"C", b"localhost\0" + b"4" + struct.pack(">H", 25) + client + b"\0")
        put(b"D", b"Mj\0mx.example.net\0i\0JOB\0")
        ask(b"M", b"<a@example.com>\0")
        ask(b"R", b"<b@example.org>\0")
        out = []
        for name, value in fields:
            if not leadspc and value[:1] == b" ":
                value = value[1:]
            out.append(ask(b"L", name + b"\0" + value.replace(b"\r\n", b"\n") + b"\0"))
            if out[-1][0] in b"artyd":
                return out[-1:]
        out.append(ask(b"N"))
        if out[-1][0] in b"artyd":
            return out
        for i in range(0, len(body), chunk):
            r = ask(b"B", body[i:i + chunk])
            if r[0] == b"s":
                break
        put(b"E")
        out = [o for o in out if o[0] != b"c"]
        while True:
            r = get()
            if r[0] == b"p":
                continue
            out.append(r)
            if r[0] in b"cartyd":
                break
        put(b"Q")
        s.close()
        return out


def added(answers):
    """The (name, value) of the fields added or inserted."""
    out = []
    for cmd, data in answers:
        if cmd == b"i":
            data = data[4:]
        elif cmd != b"h":
            continue
        name, value, _ = data.split(b"\0")
        out.append((name, value))
    return out
