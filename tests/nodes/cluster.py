"""An installation of several nodes on one machine: a PostgreSQL of its own behind PgBouncer, a second Vedette as the S3 service that keeps the objects, nodes with a network of
their own (network.py), and HAProxy, which spreads calls over the nodes that are ready. Faults are done to it by the methods of Node and Cluster."""
import atexit
import concurrent.futures
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import boto3
from botocore.config import Config

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, ".."), os.path.join(HERE, "..", "end_to_end")]

import network  # noqa: E402
from harness import BUILD, REGION, Server, client_models  # noqa: E402
from postgresql import DATABASE, USER, PgBouncer, Postgresql  # noqa: E402

# What was started is ended also when somebody ends the test.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

# The next release, as far as the database is concerned (next_release.cpp).
NEXT = os.path.join(BUILD, "vedette-next")
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
# A call that failed is not repeated behind the test's back: the test must know what became of it.
ONCE = {"retries": {"mode": "standard", "total_max_attempts": 1}, "connect_timeout": 3, "read_timeout": 8}
REPEATED = {"retries": {"mode": "standard", "max_attempts": 8}, "connect_timeout": 3, "read_timeout": 20}

BALANCER = """
global
    maxconn 2000
defaults
    mode http
    timeout connect 1s
    timeout check 1s
    timeout client 120s
    timeout server 60s
    retries 2
    option redispatch
    retry-on conn-failure
frontend calls
    bind {bind}
    http-request set-var(txn.asked) req.hdr(expect)
    http-response set-header Connection close if {{ var(txn.asked) -m found }} {{ status ge 300 }}
    default_backend nodes
backend nodes
    balance roundrobin
    option httpchk GET /readyz
    http-check expect status 200
    default-server check inter 500ms fall 2 rise 1
{servers}
"""


def wait_until(condition, what, limit=60, interval=0.1):
    """Returns what the condition returns once that is true. Exceptions count as false until the limit has passed."""
    deadline, last = time.monotonic() + limit, None
    while time.monotonic() < deadline:
        try:
            value = condition()
            if value:
                return value
            last = None
        except Exception as e:  # whatever a node says while it is in trouble
            last = e
        time.sleep(interval)
    raise AssertionError(f"not within {limit} s: {what}{f' ({last!r})' if last else ''}")


def tree(pid):
    """Returns the process and all its descendants."""
    found = [pid]
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                for child in file.read().split():
                    found += tree(int(child))
    return found


class Node(Server):
    """One node. Its clock can be set if libfaketime is there: it reads the difference from a file."""

    def __init__(self, cluster, number, extra, environment):
        self.cluster, self.number, self.name = cluster, number, f"node{number}"
        self.host, within = cluster.network.add(number)
        self.port = 8420 if within else network.free_port(self.host)
        data = os.path.join(cluster.folder, self.name)
        os.makedirs(data)
        self.clock = os.path.join(cluster.folder, self.name + ".clock")
        self.set_clock("+0")
        # The clock that only runs forward stays right, as it does on a machine whose time of day is set.
        if os.path.exists(FAKETIME) and cluster.with_clocks:
            environment = {**environment, "LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": self.clock, "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        self.tracer, self.frozen = None, []
        super().__init__(data=data, listen=f"{self.host}:{self.port}", within=within, environment=environment, extra=extra)

    @property
    def id(self):
        with open(os.path.join(self.data, "node-id"), encoding="ascii") as file:
            return file.read().strip()

    def is_ready(self):
        """Returns whether the node says in time that it is ready. One that is cut off from the database takes long to say that it is not."""
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.port}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def kill(self):
        """Ends the node and its trainers as a power cut does."""
        for pid in tree(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def freeze(self):
        self.frozen = tree(self.process.pid)
        for pid in self.frozen:
            os.kill(pid, signal.SIGSTOP)

    def thaw(self):
        for pid in self.frozen:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def cut(self, *targets):
        """Cuts the node off from "database", "objects", "peers", or "everything"."""
        rules = []
        for target in targets:
            if target == "everything":
                rules.append("meta protocol ip")
            elif target == "peers":
                rules += [f"ip {end} {other.host}" for other in self.cluster.nodes if other is not self for end in ("saddr", "daddr")]
            else:
                port = (self.cluster.bouncer or self.cluster.database).port if target == "database" else self.cluster.objects_port
                rules += [f"ip daddr {self.cluster.network.host} tcp dport {port}", f"ip saddr {self.cluster.network.host} tcp sport {port}"]
        self.cluster.network.cut(self.within, rules)

    def heal(self):
        self.cluster.network.heal(self.within)

    def set_clock(self, difference):
        """Sets the node's time of day so many seconds ahead, or back: "+3600", "-3600", "+0"."""
        with open(self.clock + ".new", "w", encoding="ascii") as file:
            file.write(difference + "\n")
        os.rename(self.clock + ".new", self.clock)

    def slow_disk(self, milliseconds):
        """Every wait for the disk takes so much longer, until fast_disk()."""
        self.tracer = subprocess.Popen(["strace", "-f", "-q", "-p", str(self.process.pid), "-o", "/dev/null", "-e", "trace=fsync,fdatasync,rename", "-e", f"inject=fsync,fdatasync,rename:delay_enter={milliseconds * 1000}"],
                                       stderr=subprocess.DEVNULL)

    def fast_disk(self):
        self.tracer.send_signal(signal.SIGINT)
        self.tracer.wait(30)
        self.tracer = None

    def destroy(self):
        if self.tracer:
            self.fast_disk()
        super().destroy()


class Balancer:
    def __init__(self, host, targets):
        """`targets` are pairs of a name and HOST:PORT."""
        self.port = network.free_port(host)
        self.url = f"http://{host}:{self.port}"
        self.folder = tempfile.mkdtemp(prefix="vedette-balancer-")
        configuration = os.path.join(self.folder, "haproxy.cfg")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(BALANCER.format(bind=f"{host}:{self.port}", servers="".join(f"    server {name} {target}\n" for name, target in targets)))
        program = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen([program, "-db", "-q", "-f", configuration], stderr=log, stdout=log)
        atexit.register(self.destroy)

    def destroy(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


class Cluster:
    """With `is_shared` false there is one node, which keeps its metadata in its own folder, and no PostgreSQL. With `has_standby` there is a second PostgreSQL, which can take over, and no PgBouncer."""

    def __init__(self, nodes=3, is_shared=True, with_clocks=False, has_standby=False):
        self.with_clocks = with_clocks
        self.folder = tempfile.mkdtemp(prefix="vedette-nodes-")
        self.stack = contextlib.ExitStack()
        atexit.register(self.destroy)
        self.stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.network = network.make()
        self.stack.callback(self.network.destroy)
        host = self.network.host
        self.database = self.standby = self.bouncer = None
        if is_shared:
            self.database = Postgresql(address=host)
            self.stack.callback(self.database.destroy)
            if has_standby:
                self.standby = self.database.make_standby()
                self.stack.callback(self.standby.destroy)
            else:
                self.bouncer = PgBouncer(self.database, address=host)
                self.stack.callback(self.bouncer.destroy)
        self.objects_port = network.free_port(host)
        self.objects = Server(listen=f"{host}:{self.objects_port}", extra=["--insecure-http"])
        self.stack.callback(self.objects.destroy)
        self.s3 = self.objects.client("s3")
        self.s3.create_bucket(Bucket="installation")
        keys = {name.upper(): value for name, value in self.objects.credentials().items()}
        extra = ["--objects", "s3://installation/objects", "--objects-endpoint", self.objects.url, "--insecure-http", "--trusted-proxy", host, "--drain-seconds", "4"]
        if is_shared:
            master_key = os.path.join(self.folder, "master-key")
            with open(master_key, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
                file.write(os.urandom(32))
            self.metadata_url = self.url_of_metadata()
            extra += ["--metadata", self.metadata_url, "--master-key", master_key]
        # All start at once, on an empty database.
        with concurrent.futures.ThreadPoolExecutor(nodes) as pool:
            self.nodes = list(pool.map(lambda number: Node(self, number, extra, keys), range(1, nodes + 1)))
        for node in self.nodes:
            self.stack.callback(node.destroy)
        self.balancer = Balancer(host, [(node.name, node.address) for node in self.nodes])
        self.stack.callback(self.balancer.destroy)
        self.wait_ready()

    def destroy(self):
        self.stack.close()

    def url_of_metadata(self):
        if not self.standby:
            return self.bouncer.url
        return f"postgresql://{USER}@" + ",".join(f"{server.address}:{server.port}" for server in (self.database, self.standby)) + f"/{DATABASE}"

    def wait_ready(self, limit=60):
        for node in self.nodes:
            wait_until(node.is_ready, f"{node.name} is ready", limit)
        wait_until(lambda: len(self.client("vedette", ONCE).list_users()["Users"]) >= 0, "the balancer passes calls on", limit)

    def credentials(self):
        """The key of the first administrator, which one of the nodes made."""
        makers = [node for node in self.nodes if os.path.exists(os.path.join(node.data, "admin-credentials"))]
        assert len(makers) == 1, f"{len(makers)} nodes made an administrator"
        return makers[0].credentials()

    def client(self, service, config=None, credentials=None, url=None):
        """Returns a client that calls through the balancer, or one node by its url."""
        session = boto3.Session()
        if service == "vedette":
            session._loader.search_paths.insert(0, client_models())
        return session.client(service, endpoint_url=url or self.balancer.url, region_name=REGION, config=Config(**(config or REPEATED)), **(credentials or self.credentials()))

    def node_of(self, worker):
        """Returns the node that a worker in the table of jobs belongs to."""
        return next(node for node in self.nodes if worker.startswith(node.id + "/"))

    def restart_database(self, mode="immediate"):
        self.database.stop(mode)
        self.database.start()

    def fail_over(self):
        """The primary dies, and its standby takes over."""
        self.database.stop("immediate")
        self.standby.promote()
        self.database = self.standby

    def restart_bouncer(self):
        self.bouncer.stop()
        self.bouncer.start()
