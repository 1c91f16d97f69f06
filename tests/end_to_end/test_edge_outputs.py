"""Where the verdicts of a station go: MQTT, Sparkplug B, webhooks, files and Modbus, with Debian's mosquitto as the broker and other
people's clients. A small program takes the place of the agent: it records parts at a steady rate, can be made to hang, and needs no model.
test_edge_line.py runs the agent itself.
"""
import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import paho.mqtt.client as mqtt
from pymodbus.client import ModbusTcpClient

from harness import BUILD, ROOT, ReservedPort

DRIVER = os.path.join(BUILD, "tests", "edge_outputs_driver")
LIMIT = 60


def wait_until(condition, what, limit=LIMIT):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what}")
        time.sleep(0.02)


class Broker:
    """A mosquitto of its own, which keeps the sessions of its clients when it is killed."""

    def __init__(self, folder, more=""):
        self.folder = folder
        self.reserved = ReservedPort()
        self.port = self.reserved.number
        self.config = os.path.join(folder, "mosquitto.conf")
        with open(self.config, "w") as file:
            file.write(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
                       f"max_queued_messages 0\nuser root\n{more}\n")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["/usr/sbin/mosquitto", "-c", self.config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def listens():
            if self.process.poll() is not None:
                raise AssertionError("mosquitto ended")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return True
            return False
        wait_until(listens, "the broker listens")

    def save(self):
        """Has the broker write its sessions to disk."""
        path = os.path.join(self.folder, "mosquitto.db")
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
        self.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: os.path.exists(path), "the broker saves its sessions")

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self):
        self.kill()
        self.reserved.close()


class Subscriber:
    """Gets messages with quality of service 1 in a session that outlives connections."""

    def __init__(self, port, topic):
        self.messages = []
        self.subscribed = threading.Event()
        self.client = mqtt.Client(client_id="subscriber", clean_session=False)
        self.client.on_connect = lambda client, *_: client.subscribe(topic, qos=1)
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.on_message = lambda _, __, message: self.messages.append(message)
        self.client.reconnect_delay_set(min_delay=1, max_delay=1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.subscribed.wait(LIMIT)

    def of(self, topic):
        return [message.payload for message in list(self.messages) if message.topic == topic]

    def close(self):
        self.client.loop_stop()
        self.client.disconnect()


class Station:
    """Runs the driver with a configuration."""

    def __init__(self, folder, rate=50, **config):
        self.config_path = os.path.join(folder, "config.json")
        self.log_path = os.path.join(folder, "driver.log")
        self.rate = rate
        with open(self.config_path, "w") as file:
            json.dump({"station": "line-1", "journal": {"folder": os.path.join(folder, "journal")}, **config}, file)
        self.process = None

    def start(self):
        self.log_start = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "a") as log:
            self.process = subprocess.Popen([DRIVER, self.config_path, str(self.rate)], stderr=log)

    def log(self):
        with open(self.log_path) as file:
            file.seek(self.log_start)
            return file.read()

    def modbus_port(self):
        wait_until(lambda: re.search(r"modbus listens .*port=(\d+)", self.log()) or self.process.poll() is not None, "modbus listens")
        return int(re.search(r"modbus listens .*port=(\d+)", self.log())[1])

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()
            self.process = None

    def stop(self):
        """Ends the driver in order."""
        self.process.terminate()
        self.process.wait(30)
        self.process = None


def read_modbus(port, first=0, count=107):
    client = ModbusTcpClient("127.0.0.1", port=port)
    try:
        assert client.connect()
        answer = client.read_input_registers(first, count, slave=1)
        assert not answer.isError(), answer
        return answer.registers
    finally:
        client.close()


def shown_sequence(port):
    return int.from_bytes(struct.pack(">4H", *read_modbus(port)[4:8]), "big")


def assert_whole(test, numbers, last):
    """Every number from 1 to the last came, in order; repetitions are allowed."""
    newest = 0
    for number in numbers:
        test.assertLessEqual(number, newest + 1, "a record is missing or came too early")
        newest = max(newest, number)
    test.assertEqual(newest, last)


class EdgeOutputs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="vedette-edge-")
        self.addCleanup(shutil.rmtree, self.folder, True)

    def station(self, folder=None, **config):
        station = Station(folder or self.folder, **config)
        self.addCleanup(station.kill)
        return station

    def broker(self, more=""):
        broker = Broker(self.folder, more)
        self.addCleanup(broker.close)
        return broker

    def subscriber(self, port, topic="#"):
        subscriber = Subscriber(port, topic)
        self.addCleanup(subscriber.close)
        return subscriber

    def test_the_topics_of_mqtt_tell_whether_the_station_lives(self):
        broker = self.broker()
        broker.start()
        subscriber = self.subscriber(broker.port)
        station = self.station(sinks=[{"kind": "mqtt", "host": "127.0.0.1", "port": broker.port, "topic": "plant/hall"}])
        station.start()
        base = "plant/hall/line-1/"
        wait_until(lambda: subscriber.of(base + "verdict") and subscriber.of(base + "models") and len(subscriber.of(base + "state")) > 1, "all topics")
        self.assertEqual(subscriber.of(base + "status"), [b"online"])
        self.assertEqual(json.loads(subscriber.of(base + "models")[0])[0]["status"], "RUNNING")
        self.assertGreater(json.loads(subscriber.of(base + "state")[-1])["journal"]["last"], 0)
        station.kill()
        wait_until(lambda: subscriber.of(base + "status") == [b"online", b"offline"], "the last will")
        late = mqtt.Client()
        retained = {}
        late.on_message = lambda _, __, message: retained.update({message.topic: message.retain})
        late.connect("127.0.0.1", broker.port)
        late.subscribe("plant/#")
        late.loop_start()
        wait_until(lambda: len(retained) == 3, "the retained messages")
        late.loop_stop()
        self.assertEqual(retained, {base + "status": 1, base + "models": 1, base + "state": 1})

    def test_the_flow_for_node_red_keeps_to_the_topics_of_the_page(self):
        with open(os.path.join(ROOT, "docs", "edge-outputs.md")) as file:
            topics = set(re.findall(r"^\| `vedette/STATION/(\w+)`", file.read(), re.MULTILINE))
        self.assertEqual(topics, {"verdict", "status", "models", "state"})
        with open(os.path.join(ROOT, "docs", "examples", "node-red", "verdicts.json")) as file:
            nodes = {node["id"]: node for node in json.load(file)}
        for node in nodes.values():
            if node["type"] == "mqtt in":
                self.assertIn(node["topic"], {f"vedette/+/{topic}" for topic in topics})
                self.assertIn(node["broker"], nodes)
            for wires in node.get("wires", []):
                self.assertLessEqual(set(wires), set(nodes))

    def test_mqtt_with_tls_and_passwords(self):
        names = {name: os.path.join(self.folder, name) for name in ("cert.pem", "key.pem", "other.pem", "other-key.pem", "passwords", "password")}
        for cert, key in (("cert.pem", "key.pem"), ("other.pem", "other-key.pem")):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost", "-keyout", names[key], "-out", names[cert]], check=True, capture_output=True)
        subprocess.run(["mosquitto_passwd", "-b", "-c", names["passwords"], "station", "right"], check=True, capture_output=True)
        broker = self.broker(f"certfile {names['cert.pem']}\nkeyfile {names['key.pem']}\nallow_anonymous false\npassword_file {names['passwords']}")
        broker.start()
        received = []
        watcher = mqtt.Client()
        watcher.username_pw_set("station", "right")
        watcher.tls_set(names["cert.pem"])
        watcher.on_connect = lambda client, *_: client.subscribe("#")
        watcher.on_message = lambda _, __, message: received.append(message.topic)
        watcher.connect("localhost", broker.port)
        watcher.loop_start()
        self.addCleanup(watcher.loop_stop)

        def start(ca, password):
            with open(names["password"], "w") as file:
                file.write(password + "\n")
            station = self.station(sinks=[{"kind": "mqtt", "host": "localhost", "port": broker.port, "username": "station", "password_file": names["password"], "tls": {"ca_file": names[ca]}}])
            station.start()
            return station
        for ca, password, reason in (("other.pem", "right", "TLS|certificate|error"), ("cert.pem", "wrong", "not auth")):
            station = start(ca, password)
            wait_until(lambda: re.search(f"does not deliver.*({reason})", station.log()), f"{ca} and {password} are refused")
            station.kill()
            self.assertEqual(received, [])
        start("cert.pem", "right")
        wait_until(lambda: "vedette/line-1/verdict" in received, "a verdict")

    def test_sparkplug_is_born_and_dies_as_the_specification_says(self):
        broker = self.broker()
        broker.start()
        subscriber = self.subscriber(broker.port, "spBv1.0/#")
        station = self.station(sinks=[{"kind": "sparkplug", "host": "127.0.0.1", "port": broker.port, "group": "plant", "primary_host": "scada"}])
        station.start()
        node, device = "spBv1.0/plant/{}/line-1", "spBv1.0/plant/{}/line-1/inspection"
        host = mqtt.Client()
        host.connect("127.0.0.1", broker.port)
        host.loop_start()
        self.addCleanup(host.loop_stop)
        wait_until(lambda: "does not deliver" in station.log(), "the station waits for its host")
        self.assertEqual(subscriber.messages, [])
        host.publish("spBv1.0/STATE/scada", json.dumps({"online": True, "timestamp": 1000}), qos=1, retain=True)
        wait_until(lambda: len(subscriber.of(device.format("DDATA"))) > 300, "data")
        birth = metrics(subscriber.of(node.format("NBIRTH"))[0])
        self.assertEqual(birth["seq"], 0)
        self.assertIn("Node Control/Rebirth", birth["metrics"])
        first = birth["metrics"]["bdSeq"]
        names = set(metrics(subscriber.of(device.format("DBIRTH"))[0])["metrics"])
        data = [metrics(payload) for payload in subscriber.of(device.format("DDATA"))]
        assert_whole(self, [one["metrics"]["Verdict/Sequence"] for one in data], data[-1]["metrics"]["Verdict/Sequence"])
        self.assertEqual(set(data[0]["metrics"]), names)
        self.assertTrue(data[0]["historical"], "the first records waited for the host for longer than 2 seconds")
        order = [metrics(message.payload)["seq"] for message in subscriber.messages if "STATE" not in message.topic and "DEATH" not in message.topic]
        self.assertEqual(order, [i % 256 for i in range(len(order))])

        rebirth = b"\x12\x18\x0a\x14Node Control/Rebirth\x70\x01"
        host.publish(node.format("NCMD"), rebirth)
        wait_until(lambda: len(subscriber.of(node.format("NBIRTH"))) == 2, "a rebirth")
        self.assertEqual(metrics(subscriber.of(node.format("NBIRTH"))[1])["metrics"]["bdSeq"], first)
        host.publish("spBv1.0/STATE/scada", json.dumps({"online": False, "timestamp": 2000}), qos=1, retain=True)
        wait_until(lambda: subscriber.of(node.format("NDEATH")), "the death")
        self.assertEqual(metrics(subscriber.of(node.format("NDEATH"))[0])["metrics"], {"bdSeq": first})
        host.publish("spBv1.0/STATE/scada", json.dumps({"online": True, "timestamp": 3000}), qos=1, retain=True)
        wait_until(lambda: len(subscriber.of(node.format("NBIRTH"))) == 3, "another life")
        self.assertGreater(metrics(subscriber.of(node.format("NBIRTH"))[2])["metrics"]["bdSeq"], first)

    def test_webhooks_are_signed_repeated_and_not_redirected(self):
        secret = os.path.join(self.folder, "secret")
        with open(secret, "w") as file:
            file.write("a secret of the plant\n")
        with open(os.path.join(ROOT, "docs", "edge-outputs.md")) as file:
            example = {}
            exec(re.search(r"```python\n(.*?)```", file.read(), re.DOTALL)[1], example)  # The example of the page is the judge.
        bodies, paths, answers = [], [], [500, 302, 404, 429]

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                is_right = example["is_from_station"](self.headers, body, b"a secret of the plant")
                is_wrong = example["is_from_station"](self.headers, body + b" ", b"a secret of the plant")
                status = answers.pop(0) if answers else 204
                paths.append(self.path)
                if status == 204:
                    bodies.append((is_right and not is_wrong, json.loads(body)))
                self.send_response(status)
                self.send_header("location", "/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def do_GET(self):
                paths.append(self.path)

            def log_message(self, *_):
                pass
        receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        self.addCleanup(receiver.server_close)
        self.addCleanup(receiver.shutdown)
        station = self.station(sinks=[{"kind": "webhook", "url": f"http://127.0.0.1:{receiver.server_port}/verdicts", "secret_file": secret, "batch": 20}])
        station.start()
        wait_until(lambda: sum(len(body["records"]) for _, body in list(bodies)) >= 100, "records")
        station.stop()
        self.assertTrue(all(right for right, _ in bodies))
        self.assertEqual(set(paths), {"/verdicts"})
        numbers = [record["seq"] for _, body in bodies for record in body["records"]]
        assert_whole(self, numbers, max(numbers))
        self.assertLessEqual(max(len(body["records"]) for _, body in bodies), 20)

    def test_records_that_a_webhook_refuses_are_set_aside_and_sent_again(self):
        secret = os.path.join(self.folder, "secret")
        with open(secret, "w") as file:
            file.write("a secret")
        refused, taken = {7, 30}, []

        class Receiver(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                records = json.loads(self.rfile.read(int(self.headers["content-length"])))["records"]
                bad = any(record["seq"] in refused for record in records)
                if not bad:
                    taken.extend(record["seq"] for record in records)
                self.send_response(422 if bad else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass
        receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        self.addCleanup(receiver.server_close)
        self.addCleanup(receiver.shutdown)
        station = self.station(sinks=[{"kind": "webhook", "name": "mes", "url": f"http://127.0.0.1:{receiver.server_port}/", "secret_file": secret, "batch": 20}])
        station.start()
        wait_until(lambda: taken and max(taken) >= 100, "the records behind those that were refused")
        self.assertEqual(sorted({*range(1, max(taken) + 1)} - {*taken}), [7, 30])
        with open(os.path.join(self.folder, "journal", "refused", "mes.jsonl")) as file:
            self.assertEqual([json.loads(line)["seq"] for line in file], [7, 30])
        self.assertEqual(station.log().count("was refused and set aside"), 1)
        refused.clear()
        done = subprocess.run([os.path.join(BUILD, "vedette-edge"), "--models", self.folder, "--config", station.config_path, "resend", "mes"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout[:2]), (0, "2 "), done.stderr)
        wait_until(lambda: {7, 30} <= set(taken), "the records that were refused")
        wait_until(lambda: not os.listdir(os.path.join(self.folder, "journal", "refused")), "nothing is left")

    def test_modbus_shows_the_newest_verdict_and_survives_hostile_clients(self):
        station = self.station(outputs=[{"kind": "modbus", "port": 0, "clients": 4}], rate=20)
        station.start()
        port = station.modbus_port()
        wait_until(lambda: shown_sequence(port) > 10, "verdicts")
        results = set()

        def saw_all():
            registers = read_modbus(port)
            self.assertEqual(registers[0], registers[106])
            number = int.from_bytes(struct.pack(">4H", *registers[4:8]), "big")
            text = struct.pack(">16H", *registers[17:33]).rstrip(b"\0").decode()
            self.assertEqual(text, str(number))
            results.add((registers[2], registers[3], bool(number % 10 == 0), bool(number % 3 == 0)))
            return {result for result, *_ in results} == {1, 2} and any(state == 3 for _, state, *_ in results)
        wait_until(saw_all, "good, bad and missing verdicts")
        for result, state, is_missing, is_bad in results:
            self.assertEqual(result, 2 if is_missing or is_bad else 1)
            self.assertEqual(state, 3 if is_missing else 1)
        hostile = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for i, client in enumerate(hostile):
            with contextlib.suppress(OSError):
                client.sendall(os.urandom(300) if i % 2 else b"\0\1\0\0\0")
        self.assertEqual(len(read_modbus(port)), 107)
        for client in hostile:
            client.close()
        client = ModbusTcpClient("127.0.0.1", port=port)
        self.assertTrue(client.connect())
        self.assertTrue(client.write_register(2, 1, slave=1).isError(), "registers cannot be written")
        self.assertTrue(client.read_holding_registers(100, 8, slave=1).isError())
        self.assertEqual(client.read_holding_registers(0, 1, slave=1).registers, client.read_input_registers(0, 1, slave=1).registers)
        # An agent that is stuck shows no verdict any more, and no old one as if it were new.
        client.close()
        station.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: read_modbus(port, 2, 2) == [0, 0], "the stuck agent shows")
        station.process.send_signal(signal.SIGUSR1)
        wait_until(lambda: read_modbus(port, 2, 1) != [0], "the agent goes on")


def fields(data):
    """The fields of a protobuf message: pairs of number and value."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value
    while at < len(data):
        number, kind = divmod(varint(), 8)
        if kind == 0:
            yield number, varint()
        elif kind == 1:
            at += 8
            yield number, struct.unpack("<d", data[at - 8:at])[0]
        else:
            length = varint()
            at += length
            yield number, data[at - length:at]


def metrics(payload):
    """A payload of Sparkplug B, read with the field numbers and data types of the specification."""
    result = {"metrics": {}, "historical": False}
    for number, value in fields(payload):
        if number == 3:
            result["seq"] = value
        if number != 2:
            continue
        metric = dict(fields(value))
        name, kind = metric[1].decode(), metric[4]
        result["historical"] |= bool(metric.get(5))
        place = {4: 11, 8: 11, 13: 11, 10: 13, 11: 14, 12: 15}[kind]
        if not metric.get(7):
            assert place in metric, f"{name} has no value of the type {kind}"
        result["metrics"][name] = metric.get(place)
    return result


if __name__ == "__main__":
    unittest.main()
