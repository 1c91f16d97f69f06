"""A test case whose cluster is called all the time by clients that write down what they see (workload.py), and the check of that at the end."""
import io
import os
import shutil
import tempfile
import unittest

from PIL import Image

from cluster import Cluster
from workload import Workload

SEED = int(os.environ.get("VEDETTE_TEST_SEED", "20"))
# After so many seconds the models of a node that died answer again, at the nodes that are left.
MOST_OUTAGE = 10


def entries_of(cluster, seed, count):
    """Uploads so many pictures that datasets can take, and returns their references."""
    out = io.BytesIO()
    Image.effect_noise((96, 96), 30).convert("RGB").save(out, "PNG")
    bucket = f"entries-{seed}"
    cluster.s3.create_bucket(Bucket=bucket)
    for number in range(count):
        cluster.s3.put_object(Bucket=bucket, Key=f"{number}.png", Body=out.getvalue())
    return [f"s3://{bucket}/{number}.png" for number in range(count)]


def kept(workload, cluster):
    """Keeps what is needed to find out why a check failed, and returns a sentence that says where it is."""
    folder = tempfile.mkdtemp(prefix=f"vedette-history-{workload.seed}-")
    workload.history.save(os.path.join(folder, "history.jsonl"))
    for node in cluster.nodes:
        shutil.copy(node.log_path, os.path.join(folder, node.name + ".log"))
    return f"the history and the logs of the nodes are in {folder}"


class Watched(unittest.TestCase):
    options = {}  # of the cluster

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(**cls.options)
        cls.addClassCleanup(cls.cluster.destroy)

    def start(self, seed, **options):
        """Starts clients whose calls are written down and checked at the end."""
        workload = Workload(self.cluster.client, seed, pictures=entries_of(self.cluster, seed, 40), **options)
        self.addCleanup(workload.stop)
        workload.start(pause=0.1)  # The nodes need the processor, too.
        workload.wait_for(100, 120)
        return workload

    def go_on(self, workload, calls=100):
        workload.wait_for(len(workload.history.calls) + calls, 120)

    def check(self, workload):
        self.go_on(workload)
        workload.stop()
        workload.look_again()
        print(f"seed {workload.seed}: {workload.summary()}", flush=True)
        faults = workload.faults()
        if faults:
            faults.append(kept(workload, self.cluster))
        self.assertEqual(faults, [])
