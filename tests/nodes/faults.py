"""The faults that happen to an installation, one after the other, chosen by a seed."""
import random
import time

from cluster import wait_until


class Faults:
    """Each method does one fault, lets it last, and mends it. It returns a sentence about what it did."""

    def __init__(self, cluster, callers, seed):
        self.cluster, self.callers, self.random = cluster, callers, random.Random(f"faults-{seed}")
        self.outages = []  # the seconds after which the models of each killed node were back
        self.kinds = [self.kill, self.replace, self.freeze, self.slow_disk]
        if cluster.database:
            self.kinds += [self.restart_database, self.restart_bouncer]
        if cluster.network.can_cut:
            self.kinds += [self.cut_off_objects, self.cut_off]
            if cluster.database:
                self.kinds += [self.cut_off_database, self.cut_off_peers]
        if cluster.with_clocks:
            self.kinds += [self.jump]
        self.done = []

    def next(self):
        """Does a fault of a kind that was not done since all others were."""
        if len(self.done) % len(self.kinds) == 0:
            self.order = self.random.sample(self.kinds, len(self.kinds))
        said = self.order[len(self.done) % len(self.kinds)]()
        self.done.append(said)
        self.cluster.wait_ready()
        return said

    def node(self):
        return self.random.choice(self.cluster.nodes)

    def last(self, least=2, most=8):
        seconds = self.random.uniform(least, most)
        time.sleep(seconds)  # A fault lasts: there is nothing to wait for.
        return f"{seconds:.0f} s"

    def kill(self):
        node, died = self.node(), time.monotonic()
        node.kill()
        wait_until(lambda: self.callers.have_been_answered_since(died, 2), "all models answer", 60)
        self.outages.append(self.callers.outage(died))
        lasted = self.last()
        node.start()
        return f"{node.name} killed, and started after {lasted}; all models answered after {self.outages[-1]:.1f} s"

    def replace(self):
        node = self.node()
        node.stop()
        node.start()
        return f"{node.name} told to stop, and started again"

    def freeze(self):
        node = self.node()
        node.freeze()
        lasted = self.last(2, 20)
        node.thaw()
        return f"{node.name} frozen for {lasted}"

    def restart_database(self):
        self.cluster.restart_database("immediate")
        return "the database crashed and was started"

    def restart_bouncer(self):
        self.cluster.restart_bouncer()
        return "PgBouncer restarted"

    def part(self, *targets):
        node = self.node()
        node.cut(*targets)
        lasted = self.last(2, 15)
        node.heal()
        return f"{node.name} cut off from {' and '.join(targets)} for {lasted}"

    def cut_off_database(self):
        return self.part("database")

    def cut_off_objects(self):
        return self.part("objects")

    def cut_off_peers(self):
        return self.part("peers")

    def cut_off(self):
        return self.part("everything")

    def jump(self):
        node, difference = self.node(), self.random.choice(["+3600", "-3600"])
        node.set_clock(difference)
        lasted = self.last(4, 8)
        node.set_clock("+0")
        return f"the clock of {node.name} jumped by {difference} s for {lasted}"

    def slow_disk(self):
        node = self.node()
        node.slow_disk(self.random.choice([100, 500, 2000]))
        lasted = self.last(4, 8)
        node.fast_disk()
        return f"the disk of {node.name} was slow for {lasted}"
