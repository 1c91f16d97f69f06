"""Gives each node an address of its own, on one machine.

`Namespaces` gives each node a network of its own, joined by a bridge, so that a node can be cut off from the database, from its peers or from the
objects. It needs root. `Loopback` gives each node one address of 127.0.0.0/8, where nothing can be cut.
"""
import errno
import os
import socket
import subprocess


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def free_port(address):
    with socket.socket() as s:
        s.bind((address, 0))
        return s.getsockname()[1]


class Loopback:
    can_cut = False
    host = "127.0.0.1"

    def add(self, number):
        """Returns the address of a node and the words to put before its command."""
        return f"127.0.0.{number + 1}", ()

    def destroy(self):
        pass


class Namespaces:
    can_cut = True

    def __init__(self):
        # 198.18.0.0/15 is set aside for tests of networks. Another run on this machine may have a bridge, too: each takes the first name that is free.
        for number in range(200):
            self.bridge, self.subnet = f"vedette-br{number}", f"198.18.{number}"
            made = subprocess.run(["ip", "link", "add", self.bridge, "type", "bridge"], capture_output=True, text=True, check=False)
            if made.returncode == 0:
                break
            if "exists" not in made.stderr:
                raise OSError(errno.EPERM, made.stderr)
        else:
            raise OSError(errno.EBUSY, "200 bridges of other runs are left")
        self.host = self.subnet + ".1"
        self.names = []
        run("ip", "address", "add", self.host + "/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")

    def add(self, number):
        name, inside, outside = f"{self.bridge}-{number}", f"vdi{self.bridge[10:]}x{number}", f"vdo{self.bridge[10:]}x{number}"
        address = f"{self.subnet}.{10 + number}"
        run("ip", "netns", "add", name)
        self.names.append(name)
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside)
        run("ip", "link", "set", inside, "netns", name)
        run("ip", "link", "set", outside, "master", self.bridge, "up")
        within = ("ip", "netns", "exec", name)
        run(*within, "ip", "address", "add", address + "/24", "dev", inside)
        run(*within, "ip", "link", "set", inside, "up")
        run(*within, "ip", "link", "set", "lo", "up")
        return address, within

    def cut(self, within, rules):
        """Drops the packets that match one of the rules (nft), in the network of one node. What was dropped looks like a cable that was pulled: nobody is told."""
        dropped = "".join(f"{rule} drop\n" for rule in rules)
        chains = "".join(f"chain {hook} {{\ntype filter hook {hook} priority 0;\n{dropped}}}\n" for hook in ("input", "output"))
        run(*within, "nft", "-f", "-", input="flush ruleset\ntable inet cut {\n" + chains + "}\n")

    def heal(self, within):
        run(*within, "nft", "flush", "ruleset")

    def destroy(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], check=False)
        subprocess.run(["ip", "link", "delete", self.bridge], check=False)


def make():
    """Returns namespaces if this process may make them, and else loopback addresses, and says so."""
    if os.getuid() == 0:
        try:
            return Namespaces()
        except (OSError, subprocess.CalledProcessError) as e:
            print(f"no network namespaces here ({e}): nodes are not cut off from each other")
    else:
        print("network namespaces need root: nodes are not cut off from each other")
    return Loopback()
