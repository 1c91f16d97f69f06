#!/usr/bin/env python3
"""Starts a private PostgreSQL, and on request PgBouncer before it, in a folder of their own; they are gone when the command ends.

    tests/postgresql.py [--pgbouncer] [--durable] COMMAND…

runs the command with these variables in its environment:

    VEDETTE_TEST_POSTGRESQL          the address of an empty database, over a Unix socket
    VEDETTE_TEST_POSTGRESQL_TCP      the same over TCP
    VEDETTE_TEST_PGBOUNCER           the same through PgBouncer in transaction mode (with --pgbouncer)
    VEDETTE_TEST_POSTGRESQL_RESTART  a shell command that restarts PostgreSQL; it takes `fast` or `immediate` as its argument

Without --durable the database does not wait for the disk, which no test can notice as long as the machine itself does not crash.
The programs are those of Debian's packages postgresql-15 and pgbouncer. They refuse to run as root, so root runs them as user `postgres`.
"""
import argparse
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

PROGRAMS = "/usr/lib/postgresql/15/bin"
DATABASE = USER = "vedette"


def free_port(address="127.0.0.1"):
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


def identity():
    """Returns as whom the databases run: the arguments for subprocess, and the numbers of user and group."""
    if os.getuid() != 0:
        return {}, os.getuid(), os.getgid()
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}, user.pw_uid, user.pw_gid


def make_folder():
    folder = tempfile.mkdtemp(prefix="vedette-postgresql-")
    os.chown(folder, *identity()[1:])
    return folder


def log_of(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def wait_for(is_ready, process, log):
    deadline = time.monotonic() + 60
    while not is_ready():
        if (process and process.poll() is not None) or time.monotonic() > deadline:
            raise RuntimeError("the database did not start: " + log_of(log))
        time.sleep(0.02)


class Postgresql:
    """One cluster with one empty database. `settings` are parameters of postgresql.conf. `restore` makes the cluster's folder from a copy instead."""

    def __init__(self, durable=False, settings=None, address="127.0.0.1", restore=None):
        self.folder = make_folder()
        self.data = os.path.join(self.folder, "data")
        self.log = os.path.join(self.folder, "log")
        self.address, self.port = address, free_port(address)
        if restore:
            restore(self.data)
            for folder, _, files in os.walk(self.data):
                for path in (folder, *(os.path.join(folder, file) for file in files)):
                    os.chown(path, *identity()[1:])
        else:
            self.run("initdb", "-D", self.data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")
            with open(os.path.join(self.data, "pg_hba.conf"), "a", encoding="utf-8") as file:
                file.write("host all all samenet trust\n")
        self.settings = {
            "listen_addresses": address, "port": self.port, "unix_socket_directories": self.folder, "max_connections": 200, **({} if durable else {"fsync": "off"}), **(settings or {})}
        with open(os.path.join(self.data, "postgresql.auto.conf"), "a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in self.settings.items())
        self.start()
        if not restore:
            self.run("createdb", "-h", self.folder, "-p", str(self.port), "-U", USER, DATABASE)

    def run(self, program, *arguments, **options):
        return subprocess.run([os.path.join(PROGRAMS, program), *arguments], check=True, stdout=subprocess.PIPE, cwd="/", **identity()[0], **options).stdout.decode()

    def sql(self, text):
        """Runs SQL and returns what psql prints, without decoration."""
        return self.run("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", text, self.url).strip()

    @property
    def url(self):
        return f"postgresql:///{DATABASE}?host={self.folder}&port={self.port}&user={USER}"

    @property
    def tcp_url(self):
        return f"postgresql://{USER}@{self.address}:{self.port}/{DATABASE}"

    def control(self, *arguments):
        return [os.path.join(PROGRAMS, "pg_ctl"), "-D", self.data, "-l", self.log, "-w", *arguments]

    def start(self):
        subprocess.run(self.control("start"), check=True, stdout=subprocess.DEVNULL, cwd="/", **identity()[0])

    def stop(self, mode="fast"):
        subprocess.run(self.control("stop", "-m", mode), check=True, stdout=subprocess.DEVNULL, cwd="/", **identity()[0])

    def make_standby(self):
        """Returns a standby, for which this server waits with each commit."""
        def copy(folder):
            self.run("pg_basebackup", "-D", folder, "-R", "-X", "stream", "-c", "fast", "--no-sync", "-h", self.folder, "-p", str(self.port), "-U", USER)
        standby = Postgresql(address=self.address, restore=copy)
        self.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        self.sql("SELECT pg_reload_conf()")
        wait_for(lambda: self.sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == "1", None, standby.log)
        return standby

    def promote(self):
        """Makes a primary of a standby."""
        subprocess.run(self.control("promote"), check=True, stdout=subprocess.DEVNULL, cwd="/", **identity()[0])

    def restart_command(self):
        command = shlex.join(self.control("restart", "-m"))
        return f"cd / && {command}" if os.getuid() else f"cd / && setpriv --reuid=postgres --regid=postgres --clear-groups {command}"

    def destroy(self):
        if os.path.exists(os.path.join(self.data, "postmaster.pid")):
            self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


class PgBouncer:
    """PgBouncer in transaction mode before a Postgresql, on a port of its own. It can be stopped and started again."""

    def __init__(self, server, pool_size=20, address="127.0.0.1"):
        self.folder = make_folder()
        self.address, self.port = address, free_port(address)
        self.log = os.path.join(self.folder, "log")
        self.configuration = os.path.join(self.folder, "pgbouncer.ini")
        with open(self.configuration, "w", encoding="utf-8") as file:
            file.write(f"""[databases]
{DATABASE} = host={server.address} port={server.port} dbname={DATABASE} user={USER}
[pgbouncer]
listen_addr = {address}
listen_port = {self.port}
unix_socket_dir =
logfile = {self.log}
auth_type = any
pool_mode = transaction
max_client_conn = 500
default_pool_size = {pool_size}
server_login_retry = 1
""")
        self.start()

    def start(self):
        program = shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin")
        if program is None:
            raise RuntimeError("pgbouncer is not installed")
        self.process = subprocess.Popen([program, "-q", self.configuration], cwd="/", stderr=subprocess.DEVNULL, **identity()[0])
        wait_for(self.is_listening, self.process, self.log)

    def is_listening(self):
        with socket.socket() as s:
            return s.connect_ex((self.address, self.port)) == 0

    @property
    def url(self):
        return f"postgresql://{USER}@{self.address}:{self.port}/{DATABASE}"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def destroy(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--pgbouncer", action="store_true")
    parser.add_argument("--durable", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    started = []
    try:
        server = Postgresql(options.durable)
        started.append(server)
        environment = {
            **os.environ, "VEDETTE_TEST_POSTGRESQL": server.url, "VEDETTE_TEST_POSTGRESQL_TCP": server.tcp_url, "VEDETTE_TEST_POSTGRESQL_RESTART": server.restart_command()}
        if options.pgbouncer:
            bouncer = PgBouncer(server)
            started.insert(0, bouncer)
            environment["VEDETTE_TEST_PGBOUNCER"] = bouncer.url
        return subprocess.run(options.command, env=environment, check=False).returncode
    finally:
        for one in started:
            one.destroy()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the databases end with us
    sys.exit(main())
