"""An installation of three nodes, with PostgreSQL behind PgBouncer, a second S3 service and HAProxy: it goes on while parts of it fail, and what clients saw all the time must be explicable
without a failure. run_long.py does the same for longer, with every kind of fault."""
import subprocess
import time
import unittest

from cluster import NEXT, wait_until
from harness import SERVER_SAMPLE, sample_set
from main_job import MainJob
from models import Models, create, detect, wait_trained
from stale_proxy import StaleProxy
from watched import MOST_OUTAGE, SEED, Watched
from workload import Policy, Project, Workload


class Nodes(MainJob, Watched):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.models = Models(cls.cluster)
        cls.addClassCleanup(cls.models.destroy)
        cls.api, cls.s3 = cls.models.api, cls.cluster.s3

    def call_models(self):
        callers = self.models.callers(SEED)
        self.addCleanup(callers.stop)
        return callers

    def test_every_node_gives_the_same_verdicts(self):
        for node in self.cluster.nodes:
            api = self.cluster.client("lookoutvision", url=node.url)
            for (project, version), verdicts in self.models.expected.items():
                for picture, verdict in verdicts.items():
                    self.assertEqual(detect(api, {"ProjectName": project, "ModelVersion": version}, picture), verdict)

    def test_the_models_of_a_killed_node_are_back_soon(self):
        callers = self.call_models()
        workload = self.start(SEED, model_arn=self.models.arn, spare_model=self.models.spare)
        for model in (self.models.left, self.models.right):
            node = self.models.host(model)
            died = time.monotonic()
            node.kill()
            wait_until(lambda: callers.have_been_answered_since(died, 2), "all models answer", 60)
            outage = callers.outage(died)
            print(f"{node.name} killed: its models were back after {outage:.1f} s", flush=True)
            self.assertLess(outage, MOST_OUTAGE)
            node.start()
            self.cluster.wait_ready()
        self.check(workload)
        callers.stop()
        print(callers.summary(), flush=True)
        self.assertEqual(callers.wrong, [])

    def test_the_main_job_while_a_node_that_trains_is_frozen(self):
        """The other nodes do the job, and take the frozen one's training over. When that node thaws, it can publish nothing more."""
        workload = self.start(SEED + 1, model_arn=self.models.arn)
        model = create(self.api, "right")
        node = wait_until(self.models.trainer, "a node trains", interval=0.02)
        node.freeze()
        self.addCleanup(node.thaw)
        wait_until(lambda: not node.is_ready(), "the node is frozen")
        self.job(sample_set(*SERVER_SAMPLE, shrink=4), "main", ["train", "test"])
        wait_trained(self.api, model)
        node.thaw()
        wait_until(lambda: "another worker has the job" in node.log() or "a job is cancelled" in node.log(), "the node that thawed notices that it lost its job")
        self.cluster.wait_ready()
        self.assertEqual(self.models.published(model), 1)
        self.check(workload)

    def test_nothing_is_lost_when_the_database_or_the_way_to_it_fails(self):
        workload = self.start(SEED + 2, model_arn=self.models.arn)
        for restart in (self.cluster.restart_database, self.cluster.restart_bouncer):
            restart()
            self.cluster.wait_ready()
            self.go_on(workload)
        if self.cluster.network.can_cut:
            node = self.cluster.nodes[2]
            node.cut("database")
            self.addCleanup(node.heal)
            wait_until(lambda: not node.is_ready(), "the node is not ready")
            self.go_on(workload)
            node.heal()
            self.cluster.wait_ready()
        self.check(workload)

    def test_the_next_release_takes_over_node_by_node(self):
        def migrate(*how):
            return subprocess.run([NEXT, "migrate", "--metadata", self.cluster.metadata_url, *how], check=True, capture_output=True, text=True).stdout
        callers = self.call_models()
        workload = self.start(SEED + 3, model_arn=self.models.arn, spare_model=self.models.spare)
        self.assertIn("go on reading and writing", migrate("--plan"))
        first = self.cluster.nodes[0]
        first.stop()
        first.program = NEXT
        with self.assertRaisesRegex(RuntimeError, "vedette migrate"):
            first.start()  # The others live, and nobody has made the new tables yet.
        migrate("--only-compatible")
        self.go_on(workload)
        for node in self.cluster.nodes:
            node.stop()
            node.program = NEXT
            node.start()
            self.cluster.wait_ready()
        self.assertIn("up to date", migrate("--plan"))
        self.check(workload)
        callers.stop()
        print(callers.summary(), flush=True)
        self.assertEqual(callers.wrong, [])
        # A node that is told to stop ends its calls first, and gets no new ones. The nodes that are left may be busy.
        self.assertLessEqual(set(callers.errors), {"ThrottlingException"})

    def test_the_checker_sees_stale_answers(self):
        """A proxy answers some reads from an old copy. The checker must say so, or its silence in the other tests is worth nothing."""
        proxy = StaleProxy((self.cluster.network.host, self.cluster.balancer.port), 0.1, SEED)
        self.addCleanup(proxy.close)
        workload = Workload(lambda service, config, credentials: self.cluster.client(service, config, credentials, proxy.url), SEED + 4, kinds=(Project, Policy))
        self.addCleanup(workload.stop)
        workload.start(pause=0.02)
        wait_until(lambda: proxy.count >= 10, "stale answers were given", 120)
        workload.stop()
        self.assertNotEqual(workload.faults(), [], f"{proxy.count} answers were stale")


class Standby(Watched):
    options = {"nodes": 2, "has_standby": True}

    def test_nothing_is_lost_when_the_standby_of_the_database_takes_over(self):
        workload = self.start(SEED + 5)
        began = time.monotonic()
        self.cluster.fail_over()
        self.cluster.wait_ready()
        print(f"all nodes were ready again {time.monotonic() - began:.1f} s after the primary had died", flush=True)
        self.check(workload)


if __name__ == "__main__":
    unittest.main()
