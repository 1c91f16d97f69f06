"""Clients that call an installation and write down what they saw (history.py), while somebody else makes its nodes fail.

Each kind of key has a small plan: which calls are made on it, and what their answers mean. A key is retired after some calls, or when several calls on it had no clear
answer: each of those may have taken effect at any time since, and what one has to try grows with two to the power of their number.
"""
import collections
import itertools
import json
import random
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError

from cluster import ONCE
from history import UNKNOWN, Existence, History, Register, check_registers, check_sets

CALLS_PER_KEY = 80
MOST_UNKNOWN = 3
# Errors that say for certain that the call was refused for what it asked, and not because a node was in trouble.
DENIED = ("AccessDeniedException",)
NO_KEY = ("UnrecognizedClientException", "InvalidClientTokenId")


def outcome_of(call, answers):
    """Runs the call and returns "ok", or what `answers` has for the code of its error, or UNKNOWN."""
    try:
        call()
        return "ok"
    except ClientError as e:
        return answers.get(e.response["Error"]["Code"], UNKNOWN)


def read(call, answers):
    """Runs the call and returns ("read", what it returned), or what `answers` has for the code of its error, or UNKNOWN."""
    try:
        return "read", call()
    except ClientError as e:
        return answers.get(e.response["Error"]["Code"], UNKNOWN)


def document(effect="Allow", name="Any"):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": name, "Effect": effect, "Action": "lookoutvision:ListProjects", "Resource": "*"}]})


class Plan:
    """Calls on one key. `model` says what a register of this kind is; a plan without one is a set. step() chooses a call: its name, its argument, and a function that makes it and returns its outcome."""
    model = None
    is_kept = True  # until the end, also when the key is retired

    def __init__(self, workload, number):
        self.workload, self.number = workload, number
        self.name = f"{type(self).__name__.lower()}-{workload.seed}-{number}"
        self.calls = self.unknown = 0

    def is_retired(self):
        return self.calls >= CALLS_PER_KEY or self.unknown >= MOST_UNKNOWN

    def prepare(self, clients):
        """Makes what the calls need. It may be run again when it failed."""


class Project(Plan):
    """Whether a project of this name exists."""
    model = Existence

    def step(self, clients, randomly):
        api, here = clients["lookoutvision"], {"ProjectName": self.name}
        if (choice := randomly.random()) < 0.25:
            return "create", None, lambda: outcome_of(lambda: api.create_project(**here), {"ConflictException": "exists"})
        if choice < 0.5:
            return "remove", None, lambda: outcome_of(lambda: api.delete_project(**here), {"ResourceNotFoundException": "absent"})
        return "read", None, lambda: read(lambda: bool(api.describe_project(**here)), {"ResourceNotFoundException": ("read", False)})


class Tag(Plan):
    """The value of a tag of a model."""
    model = Register
    is_kept = False

    def prepare(self, clients):
        # A model can have 50 tags.
        clients["lookoutvision"].untag_resource(ResourceArn=self.workload.model_arn, TagKeys=self.workload.tags[:-2] or [self.name])
        self.workload.tags.append(self.name)

    def step(self, clients, randomly):
        api, arn = clients["lookoutvision"], self.workload.model_arn
        if randomly.random() < 0.4:
            value = self.workload.unique()
            return "write", value, lambda: outcome_of(lambda: api.tag_resource(ResourceArn=arn, Tags=[{"Key": self.name, "Value": value}]), {})

        def find():
            return {tag["Key"]: tag["Value"] for tag in api.list_tags_for_resource(ResourceArn=arn)["Tags"]}.get(self.name)
        return "read", None, lambda: read(find, {})


class Policy(Plan):
    """The document of a policy."""
    model = Register

    def step(self, clients, randomly):
        api = clients["vedette"]
        if (choice := randomly.random()) < 0.3:
            value = "V" + self.workload.unique()
            return "write", value, lambda: outcome_of(lambda: api.put_policy(PolicyName=self.name, PolicyDocument=document(name=value)), {})
        if choice < 0.4:
            return "remove", None, lambda: outcome_of(lambda: api.delete_policy(PolicyName=self.name), {"ResourceNotFoundException": "absent"})
        return "read", None, lambda: read(lambda: json.loads(api.get_policy(PolicyName=self.name)["Policy"]["PolicyDocument"])["Statement"][0]["Sid"], {"ResourceNotFoundException": ("read", None)})


class Right(Plan):
    """What a user may do: the policy that is attached to the user allows a call, or denies it, and the user makes the call."""
    model = Register

    def prepare(self, clients):
        api = clients["vedette"]
        outcome_of(lambda: api.create_user(UserName=self.name), {})
        api.put_policy(PolicyName=self.name, PolicyDocument=document("Deny"))
        api.attach_user_policy(UserName=self.name, PolicyName=self.name)
        key = api.create_access_key(UserName=self.name)["AccessKey"]
        self.user = self.workload.client("lookoutvision", credentials={"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]})
        # What was true before the first call is the first write.
        self.workload.history.record(self.workload.process(), self.name, "write", "Deny", lambda: outcome_of(lambda: api.put_policy(PolicyName=self.name, PolicyDocument=document("Deny")), {}))

    def step(self, clients, randomly):
        api = clients["vedette"]
        if randomly.random() < 0.3:
            value = randomly.choice(["Allow", "Deny"])
            return "write", value, lambda: outcome_of(lambda: api.put_policy(PolicyName=self.name, PolicyDocument=document(value)), {})
        return "read", None, lambda: read(lambda: bool(self.user.list_projects(MaxResults=1)) and "Allow", {code: ("read", "Deny") for code in DENIED})


class Key(Plan):
    """Whether an access key opens the door. It is revoked for good."""
    model = Register

    def prepare(self, clients):
        api = clients["vedette"]
        outcome_of(lambda: api.create_user(UserName=self.name), {})
        made = api.create_access_key(UserName=self.name)["AccessKey"]
        self.id = made["AccessKeyId"]
        self.user = self.workload.client("sts", credentials={"aws_access_key_id": self.id, "aws_secret_access_key": made["SecretAccessKey"]})
        self.workload.history.record(self.workload.process(), self.name, "write", True, lambda: "ok")

    def step(self, clients, randomly):
        api = clients["vedette"]
        if randomly.random() < 0.04:
            return "write", False, lambda: outcome_of(lambda: api.revoke_access_key(UserName=self.name, AccessKeyId=self.id), {})
        return "read", None, lambda: read(lambda: bool(self.user.get_caller_identity()), {code: ("read", False) for code in NO_KEY})


class Users(Plan):
    """The users whose names begin alike, as the listing of all users shows them."""
    model = None

    def step(self, clients, randomly):
        api = clients["vedette"]
        if randomly.random() < 0.3:
            name = f"{self.name}.{self.workload.unique()}"
            return "add", name, lambda: outcome_of(lambda: api.create_user(UserName=name), {})

        def names():
            return [user["UserName"] for page in api.get_paginator("list_users").paginate() for user in page["Users"] if user["UserName"].startswith(self.name + ".")]
        return "list", None, lambda: listing(names)


def listing(names):
    try:
        return "list", names()
    except ClientError:
        return UNKNOWN


class Entries(Plan):
    """The entries of a dataset. One is added by UpdateDatasetEntries, and is acknowledged when the dataset says that the update is complete; only one update can run at a time."""
    model = None

    def prepare(self, clients):
        self.turn = threading.Lock()
        api = clients["lookoutvision"]
        outcome_of(lambda: api.create_project(ProjectName=self.name), {})
        outcome_of(lambda: api.create_dataset(ProjectName=self.name, DatasetType="train"), {})
        if self.describe(api)["Status"] != "CREATE_COMPLETE":
            raise RuntimeError("the dataset is not there yet")

    def describe(self, api):
        return api.describe_dataset(ProjectName=self.name, DatasetType="train")["DatasetDescription"]

    def add(self, api, picture):
        line = {"source-ref": picture, "anomaly-label": 0, "anomaly-label-metadata": {
            "class-name": "normal", "type": "groundtruth/image-classification", "human-annotated": "yes", "creation-date": "2022-03-01T10:00:00.000", "job-name": "labeling-job/x", "confidence": 1}}
        with self.turn:
            # Without an answer to this call it is not clear whose completion the dataset would tell of.
            if outcome_of(lambda: api.update_dataset_entries(ProjectName=self.name, DatasetType="train", Changes=json.dumps(line).encode()), {}) != "ok":
                return UNKNOWN
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline and self.workload.is_going_on():
                try:
                    status = self.describe(api)["Status"]
                    if status == "UPDATE_COMPLETE":
                        return "ok"
                    if status.startswith("UPDATE_FAILED"):
                        return UNKNOWN
                except (ClientError, BotoCoreError):
                    pass  # a node in trouble: the update runs all the same, and the dataset will tell
                time.sleep(0.1)
        return UNKNOWN

    def step(self, clients, randomly):
        api = clients["lookoutvision"]
        if randomly.random() < 0.2 and not self.turn.locked() and (picture := self.workload.picture()):
            return "add", picture, lambda: self.add(api, picture)

        def names():
            return [json.loads(line)["source-ref"] for page in api.get_paginator("list_dataset_entries").paginate(ProjectName=self.name, DatasetType="train") for line in page["DatasetEntries"]]
        return "list", None, lambda: listing(names)


class HostedModel(Plan):
    """Whether a model is hosted. Between two calls it may by itself come from STARTING_HOSTING to HOSTED, and from STOPPING_HOSTING to TRAINED."""

    class model:  # noqa: N801 - it plays the part of the classes of history.py
        initial = "down"

        @staticmethod
        def step(state, call):
            possible = {
                ("start", "ok"): {"down": "up", "stopping": "up"}, ("start", "conflict"): {"up": "up", "stopping": "stopping"},
                ("stop", "ok"): {"up": "stopping"}, ("stop", "conflict"): {"down": "down", "stopping": "stopping"},
                ("read", "TRAINED"): {"down": "down", "stopping": "down"}, ("read", "STOPPING_HOSTING"): {"stopping": "stopping"},
                ("read", "STARTING_HOSTING"): {"up": "up"}, ("read", "HOSTED"): {"up": "up"}}
            if call.outcome == UNKNOWN:
                return {"start": "up", "stop": "stopping" if state == "up" else state}.get(call.name, state)
            outcome = call.outcome[1] if call.name == "read" else call.outcome
            following = possible.get((call.name, outcome), {}).get(state)
            if following is None:
                raise ValueError
            return following

    def prepare(self, clients):
        api, model = clients["lookoutvision"], self.workload.spare_model
        status = api.describe_model(**model)["ModelDescription"]["Status"]
        if status == "HOSTED":
            api.stop_model(**model)
        if status != "TRAINED":
            raise RuntimeError("the model is not down yet")

    def step(self, clients, randomly):
        api, model = clients["lookoutvision"], self.workload.spare_model
        if (choice := randomly.random()) < 0.04:
            return "start", None, lambda: outcome_of(lambda: api.start_model(**model, MinInferenceUnits=1), {"ConflictException": "conflict"})
        if choice < 0.08:
            return "stop", None, lambda: outcome_of(lambda: api.stop_model(**model), {"ConflictException": "conflict"})
        return "read", None, lambda: read(lambda: api.describe_model(**model)["ModelDescription"]["Status"], {})

    def is_retired(self):
        return False  # There is one model, and its state carries on.


KINDS = (Project, Tag, Policy, Right, Key, Users, Entries)


class Workload:
    """`client(service, credentials=None)` makes a client; its config must be ONCE. `pictures` are s3:// references that no dataset has yet. Without a
    model there are no calls about tags, and without `spare_model`, which nobody else hosts, none about its state."""

    def __init__(self, make_client, seed, model_arn=None, pictures=(), spare_model=None, kinds=KINDS):
        self.make_client, self.seed, self.model_arn, self.spare_model = make_client, seed, model_arn, spare_model
        self.history = History()
        self.numbers, self.processes, self.keys = itertools.count(1), itertools.count(1), itertools.count(1)
        self.pictures = iter(pictures)
        self.lock, self.stopping = threading.Lock(), threading.Event()
        self.plans, self.tags = {}, []
        self.all_plans = []
        self.kinds = [kind for kind in kinds if (kind is not Entries or pictures) and (kind is not Tag or model_arn)]
        self.threads = []
        self.counts = collections.Counter()

    def client(self, service, credentials=None):
        return self.make_client(service, ONCE, credentials)

    def unique(self):
        return str(next(self.numbers))

    def process(self):
        return next(self.processes)

    def picture(self):
        """Returns a picture that no dataset has yet, or nothing if all are in one."""
        with self.lock:
            return next(self.pictures, None)

    def is_going_on(self):
        return not self.stopping.is_set()

    def start(self, threads=6, pause=0.0):
        """Each thread waits for `pause` seconds between two calls."""
        self.pause = pause
        slots = [*self.kinds, *([HostedModel] if self.spare_model else [])]
        self.threads = [threading.Thread(target=self.run, args=(random.Random(f"{self.seed}-{number}"), slots, number), daemon=True) for number in range(threads)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def look_again(self):
        """Reads every key that still exists once more, so that a loss shows that came after its last call. Nobody else may call meanwhile."""
        clients = {service: self.client(service) for service in ("lookoutvision", "vedette")}
        process, randomly = self.process(), random.Random(self.seed)
        for plan in filter(lambda plan: plan.is_kept, self.all_plans):
            while (step := plan.step(clients, randomly))[0] not in ("read", "list"):
                pass
            # A connection that was kept may have been closed meanwhile, and a machine that does much else answers late.
            deadline = time.monotonic() + 30
            while self.history.record(process, plan.name, *step) == UNKNOWN:
                process = self.process()
                if time.monotonic() > deadline:
                    raise AssertionError(f"{plan.name} cannot be read, though nothing fails any more")

    def wait_for(self, calls, limit):
        """Waits until so many calls were made. Fails after `limit` seconds."""
        deadline = time.monotonic() + limit
        while len(self.history.calls) < calls:
            if time.monotonic() > deadline:
                raise AssertionError(f"only {len(self.history.calls)} of {calls} calls in {limit} s")
            time.sleep(0.1)

    def plan(self, kind, clients):
        """Returns the plan of the kind that is current, and makes one if there is none."""
        with self.lock:
            plan = self.plans.get(kind)
            if plan and not plan.is_retired():
                return plan
        fresh = kind(self, next(self.keys))
        fresh.prepare(clients)
        with self.lock:
            plan = self.plans.get(kind)
            if plan and not plan.is_retired():
                return plan  # Another thread was faster; what was prepared here stays unused.
            self.plans[kind] = fresh
            self.all_plans.append(fresh)
            return fresh

    def run(self, randomly, kinds, number):
        clients = {service: self.client(service) for service in ("lookoutvision", "vedette")}
        process = self.process()
        while self.is_going_on():
            try:
                plan = self.plan(randomly.choice(kinds), clients)
            except Exception:  # a node in trouble; nothing was recorded
                self.stopping.wait(0.2)
                continue
            name, argument, call = plan.step(clients, randomly)
            outcome = self.history.record(process, plan.name, name, argument, call)
            with self.lock:
                plan.calls += 1
                self.counts[name, "unknown" if outcome == UNKNOWN else "answered"] += 1
                if outcome == UNKNOWN:
                    plan.unknown += name not in ("read", "list")
                    process = self.process()
            self.stopping.wait(max(self.pause, 0.05 if outcome == UNKNOWN else 0))

    def faults(self):
        """Returns a sentence for each fault of the history."""
        found = []
        for plan in self.all_plans:
            calls = [call for call in self.history.calls if call.key == plan.name]
            found += check_registers(calls, plan.model) if plan.model else check_sets(calls)
        return found

    def summary(self):
        answered = sum(count for (_, kind), count in self.counts.items() if kind == "answered")
        return f"{len(self.history.calls)} calls on {len(self.all_plans)} keys, {answered} answered"
