"""Two networks of our own with a registry each: on one loopback, or with a link between them."""
import pathlib
import shutil
import signal
import socket
import subprocess
import time

SOURCE, TARGET = "mbench-source", "mbench-target"
LOCAL = "mbench-local"
ADDRESS = {SOURCE: "10.211.0.1", TARGET: "10.211.0.2", LOCAL: "127.0.0.1"}


def run(*command, check=True):
    subprocess.run(command, check=check, stdout=subprocess.DEVNULL, stderr=None if check else subprocess.DEVNULL)


class Registry:
    """A real registry with a log of its requests."""

    def __init__(self, program, folder, network, port):
        self.program, self.folder, self.network = program, pathlib.Path(folder), network
        self.host = f"{ADDRESS[network]}:{port}"
        self.port = port
        self.process = None

    @property
    def storage(self):
        return self.folder / "storage"

    def start(self):
        self.storage.mkdir(parents=True, exist_ok=True)
        (self.folder / "config.yml").write_text(
            "version: 0.1\nlog: {level: error, accesslog: {disabled: false}}\n"
            f"storage: {{filesystem: {{rootdirectory: {self.storage}}}}}\n"
            f"http: {{addr: '{self.host}', secret: bench}}\n"
        )
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self.network, self.program, "serve", str(self.folder / "config.yml")],
            stdout=self.log, stderr=subprocess.STDOUT,
        )
        self._wait()

    def _wait(self):
        probe = f"exec 3<>/dev/tcp/{ADDRESS[self.network]}/{self.port}"
        for _ in range(400):
            done = subprocess.run(
                ["ip", "netns", "exec", self.network, "bash", "-c", probe], stderr=subprocess.DEVNULL
            )
            if done.returncode == 0:
                return
            time.sleep(0.025)
        raise SystemExit(f"the registry at {self.host} does not start: {self.folder / 'log'}")

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait()
            self.log.close()
            self.process = None

    def empty(self):
        """As new: nothing in it, nothing in its memory."""
        self.stop()
        shutil.rmtree(self.storage, ignore_errors=True)
        self.start()

    def requests(self):
        """How many requests it had so far."""
        with open(self.folder / "log", "rb") as log:
            return sum(b'"' in line and b" HTTP/" in line for line in log)


class Local:
    """Both registries and the program on one loopback that has nothing else."""

    name = "loopback, unshaped"
    where = source_network = target_network = LOCAL

    def __enter__(self):
        self.__exit__()
        run("ip", "netns", "add", LOCAL)
        run("ip", "-n", LOCAL, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        run("ip", "netns", "del", LOCAL, check=False)

    def wire(self):
        """Bytes so far, over both ways: from the source and to the target."""
        return counter(LOCAL, "lo")


class Link:
    """The program stands beside the target; the source is behind a link with a rate (bits for each second), or with a
    delay (milliseconds for a round trip)."""

    where = target_network = TARGET
    source_network = SOURCE

    def __init__(self, rate=None, delay=None):
        self.rate, self.delay = rate, delay
        self.relay = None
        self.name = f"link of {rate / 1e9:g} Gbit/s" if rate else f"link of {delay} ms round trip"

    def __enter__(self):
        self.__exit__()
        for network in (SOURCE, TARGET):
            run("ip", "netns", "add", network)
            run("ip", "-n", network, "link", "set", "lo", "up")
        ends = ((SOURCE, "mbench0"), (TARGET, "mbench1"))
        if self.delay:
            for network, device in ends:
                run("ip", "-n", network, "tuntap", "add", "dev", device, "mode", "tun")
        else:
            run("ip", "link", "add", "mbench0", "netns", SOURCE, "type", "veth",
                "peer", "name", "mbench1", "netns", TARGET)
        for network, device in ends:
            run("ip", "-n", network, "address", "add", f"{ADDRESS[network]}/24", "dev", device)
            run("ip", "-n", network, "link", "set", device, "up")
        if self.rate:
            run("tc", "-n", SOURCE, "qdisc", "add", "dev", "mbench0", "root", "tbf",
                "rate", f"{self.rate}bit", "burst", "256k", "latency", "50ms")
        if self.delay:
            program = pathlib.Path(__file__).resolve().parent / "delay"
            command = [str(program), *ends[0], *ends[1], str(self.delay / 2000)]
            self.relay = subprocess.Popen(command, stdout=subprocess.PIPE)
            self.relay.stdout.readline()
        return self

    def __exit__(self, *_):
        if self.relay:
            self.relay.kill()
            self.relay.wait()
            self.relay = None
        # The devices go with their network.
        for network in (SOURCE, TARGET):
            run("ip", "netns", "del", network, check=False)

    def wire(self):
        """Bytes that have come over the link so far."""
        return counter(TARGET, "mbench1")

    def bare(self, size):
        """Seconds that one plain TCP stream needs for so many bytes: the limit that programs are measured against."""
        send = f"""
import socket
server = socket.create_server(("{ADDRESS[SOURCE]}", 7000)); print(flush=True)
peer, _ = server.accept(); peer.recv(1); piece = bytes(1 << 20); left = {size}
while left > 0: left -= peer.send(piece[:left])
peer.close()
"""
        take = f"""
import socket, time
begun = time.perf_counter()
peer = socket.create_connection(("{ADDRESS[SOURCE]}", 7000)); peer.send(b"x"); room = bytearray(1 << 20); left = {size}
while left > 0: left -= peer.recv_into(room)
print(time.perf_counter() - begun)
"""
        prefix = ["ip", "netns", "exec"]
        sender = subprocess.Popen([*prefix, SOURCE, "python3", "-c", send], stdout=subprocess.PIPE)
        sender.stdout.readline()
        taken = subprocess.run([*prefix, TARGET, "python3", "-c", take], capture_output=True, check=True)
        sender.wait()
        return float(taken.stdout)


def counter(network, device):
    shown = subprocess.run(
        ["ip", "netns", "exec", network, "cat", f"/sys/class/net/{device}/statistics/rx_bytes"],
        capture_output=True, check=True,
    )
    return int(shown.stdout)
