"""Tests stations with a server: reports, verdicts in order across kills, gaps, channels with their archives, kept pictures, and rights."""
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.request

from botocore.exceptions import ClientError

from harness import BUILD, Server

STATION = "line-1"
SECOND = 10**9
START = 1_800_000_000 * SECOND


def record(sequence, **members):
    return {"seq": sequence, "journal": "journal-1", "station": STATION, "source": "grpc", "trigger_id": f"part-{sequence}", "t_trigger_ns": 0,
            "t_picture_ns": START + sequence * SECOND, "t_verdict_ns": START + sequence * SECOND, "model": "flange", "model_version": "1.0.0", "model_sha256": "",
            "picture_sha256": "", "picture": "", "state": "judged", "reason": "", "is_anomalous": sequence % 5 == 0, "confidence": 0.75, "score": 0.5, "threshold": 0.25,
            "classes": [], **members}


class Probe:
    """A station's link in a process of its own."""

    def __init__(self, folder, server, key, **members):
        self.models, self.pictures = os.path.join(folder, "models"), os.path.join(folder, "pictures")
        os.makedirs(self.pictures, exist_ok=True)
        with open(os.path.join(folder, "key"), "w", encoding="utf-8") as file:
            file.write(f"[default]\naws_access_key_id = {key[0]}\naws_secret_access_key = {key[1]}\n")
        config = {"kind": "server", "endpoint": server.url, "credentials": os.path.join(folder, "key"), "interval": 1, **members}
        with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as file:
            json.dump(config, file)
        self.process = subprocess.Popen([os.path.join(BUILD, "tests", "station_link_probe"), os.path.join(folder, "config.json"), STATION, self.models, self.pictures],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)

    def send(self, **line):
        self.process.stdin.write(json.dumps(line) + "\n")

    def line(self):
        """The next line that the link says; a minute without any is a failure."""
        if not select.select([self.process.stdout], [], [], 60)[0]:
            raise TimeoutError("the link says nothing")
        return self.process.stdout.readline().strip()

    def deliver(self, *records):
        self.send(deliver=records)
        return self.line()

    def show(self, *models, records=0, delivered=0, dropped=0):
        self.send(models=[{"name": n, "version": v, "status": s} for n, v, s in models], records=records, delivered=delivered, dropped=dropped)
        if (line := self.line()) != "shown":
            raise RuntimeError(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()


class Stations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(extra=["--station-verdicts", "1000"])
        cls.addClassCleanup(lambda: cls.server.destroy())
        cls.connect()
        cls.keys = {}
        for user in (STATION, "line-2"):
            cls.vedette.create_user(UserName=user)
            cls.vedette.attach_user_policy(UserName=user, PolicyName="VedetteStationAccess")
            key = cls.vedette.create_access_key(UserName=user)["AccessKey"]
            cls.keys[user] = (key["AccessKeyId"], key["SecretAccessKey"])
        cls.s3.create_bucket(Bucket="line7")

    @classmethod
    def connect(cls):
        """Makes clients for the server, which has another address after each start."""
        cls.vedette, cls.s3 = cls.server.client("vedette"), cls.server.client("s3")

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vedette-station-")
        self.addCleanup(shutil.rmtree, self.folder)

    def probe(self, user=STATION, **members):
        probe = Probe(self.folder, self.server, self.keys[user], **members)
        self.addCleanup(probe.close)
        return probe

    def until(self, found, what):
        for _ in range(600):
            if (value := found()):
                return value
            time.sleep(0.05)
        self.fail(what)

    def sequences(self, **filters):
        pages = self.vedette.get_paginator("list_station_verdicts").paginate(StationName=STATION, PaginationConfig={"PageSize": 100}, **filters)
        return [verdict["Sequence"] for page in pages for verdict in page["Verdicts"]]

    def describe(self):
        return self.vedette.describe_station(StationName=STATION)["Station"]

    def denied(self, call, **members):
        with self.assertRaises(ClientError) as caught:
            call(**members)
        self.assertIn(caught.exception.response["Error"]["Code"], ("AccessDeniedException", "AccessDenied"))

    def test_1_a_station_becomes_known_by_its_report(self):
        probe = self.probe()
        probe.show(("flange", "1.0.0", "RUNNING"), records=7, delivered=5, dropped=2)
        station = self.until(lambda: next((s for s in self.vedette.list_stations()["Stations"] if s["StationName"] == STATION and s["Models"]), None), "no report came")
        self.assertEqual((station["Health"], station["AgentVersion"], station["IntervalSeconds"]), ("HEALTHY", "1.0-probe", 1))
        self.assertEqual(station["Models"], [{"ModelComponent": "flange", "ComponentVersion": "1.0.0", "State": "RUNNING"}])
        self.assertEqual({c["Name"]: c["Value"] for c in station["Counters"]}["waiting.server"], 2)
        probe.show(("flange", "1.0.0", "FAILED"))
        self.until(lambda: self.describe()["Health"] == "TROUBLED", "the fault was not reported")
        probe.send(contact=True)
        self.assertEqual(probe.line(), "met")
        with urllib.request.urlopen(self.server.url + "/metrics") as page:
            self.assertIn('vedette_stations{health="troubled"} 1', page.read().decode())

    def test_2_verdicts_arrive_once_and_in_order_across_kills(self):
        probe = self.probe()
        self.assertEqual(probe.deliver(*(record(i) for i in range(1, 601))), "delivered")
        self.server.kill()
        self.assertIn("error", probe.deliver(*(record(i) for i in range(601, 701))))
        probe.close()
        self.server.start()
        self.connect()
        # The station does not know what was acknowledged, so it sends some records again.
        probe = self.probe()
        self.assertEqual(probe.deliver(*(record(i) for i in range(501, 701))), "delivered")
        self.assertEqual(self.sequences(), list(range(700, 0, -1)))
        journal, = self.describe()["Journals"]
        self.assertEqual((journal["FirstSequence"], journal["LastSequence"], journal["MissingCount"], journal["DuplicateCount"]), (1, 700, 0, 100))
        self.assertEqual(self.sequences(IsAnomalous=True, StartTime=START // SECOND + 690), [700, 695, 690])

    def test_3_gaps_are_told_and_a_broken_record_holds_up_nobody(self):
        probe = self.probe()
        self.assertEqual(probe.deliver(record(701), record(705), record(706, seq=0), record(707)), "delivered")
        self.assertEqual(self.sequences()[:3], [707, 705, 701])
        gaps = [(g["FirstSequence"], g["LastSequence"]) for g in self.describe()["Gaps"]]
        self.assertEqual(gaps, [(706, 706), (702, 704)])
        self.assertEqual(self.describe()["Journals"][0]["MissingCount"], 4)
        # What waits since before the station was renamed comes under the new name.
        self.assertEqual(probe.deliver(record(708, station="former-name")), "delivered")
        self.assertEqual(self.sequences()[0], 708)
        # Only the newest 1,000 are kept.
        self.assertEqual(probe.deliver(*(record(i) for i in range(709, 1208))), "delivered")
        self.assertEqual(probe.deliver(record(1208)), "delivered")
        self.assertEqual(len(self.sequences()), 1000)

    def test_4_kept_pictures_go_to_the_bucket_before_their_verdicts(self):
        probe = self.probe(pictures="s3://line7/kept")
        with open(os.path.join(probe.pictures, "1.png"), "wb") as file:
            file.write(b"a picture")
        self.assertEqual(probe.deliver(record(2001, picture="1.png"), record(2002, picture="gone.png"),
                                       record(2003, picture="s3://line7/secret.png")), "delivered")
        foreign, without, kept = self.vedette.list_station_verdicts(StationName=STATION, MaxResults=3)["Verdicts"]
        self.assertNotIn("PictureRef", foreign)
        self.assertNotIn("PictureRef", without)
        self.assertEqual(kept["PictureRef"], "s3://line7/kept/stations/line-1/journal-1/1.png")
        self.assertEqual(self.s3.get_object(Bucket="line7", Key=kept["PictureRef"].removeprefix("s3://line7/"))["Body"].read(), b"a picture")

    def test_5_a_key_speaks_for_its_own_station_only(self):
        probe = self.probe("line-2")
        self.assertIn("not authorized", probe.deliver(record(3000)))
        # It may not put pictures where those of other stations are, nor read them, nor look at stations.
        s3, vedette = (self.server.client(name, dict(zip(("aws_access_key_id", "aws_secret_access_key"), self.keys["line-2"]))) for name in ("s3", "vedette"))
        self.denied(s3.put_object, Bucket="line7", Key="kept/stations/line-1/x.png", Body=b"x")
        self.denied(s3.get_object, Bucket="line7", Key="kept/stations/line-1/journal-1/1.png")
        self.denied(vedette.list_stations)
        self.denied(vedette.update_station_channel, StationName="line-2", ModelComponent="flange")
        self.denied(vedette.put_station_report, StationName=STATION, AgentVersion="x")
        vedette.put_station_report(StationName="line-2", AgentVersion="x")

    def test_6_a_station_that_is_deleted_begins_anew(self):
        self.vedette.delete_station(StationName=STATION)
        self.assertNotIn(STATION, [s["StationName"] for s in self.vedette.list_stations()["Stations"]])
        probe = self.probe()
        self.assertEqual(probe.deliver(record(5)), "delivered")
        self.assertEqual(self.sequences(), [5])


if __name__ == "__main__":
    unittest.main()
