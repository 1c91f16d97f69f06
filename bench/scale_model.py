#!/usr/bin/env python3
"""Computes the tables of docs/scale.md: what an installation of many lines needs, and which part of it breaks first.

    bench/scale_model.py                     prints the tables
    bench/scale_model.py --write             puts them into docs/scale.md
    bench/scale_model.py --check             fails if docs/scale.md has others
    bench/scale_model.py --lines 40 --core-ms 45 …    computes with other numbers

What a row costs comes from bench/scale_slopes.jsonl, which is the output of build/release/bench/installation under
tests/postgresql.py --durable. Append several runs; the medians count. All other numbers are assumptions, and each is an option.
"""
import argparse
import collections
import json
import math
import pathlib
import random
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DAY = 86_400

# name, default, what it is
ASSUMPTIONS = [
    ("lines", 1000, "lines, each with one model and one station"),
    ("pictures", 1e9, "pictures per day on all lines"),
    ("peak", 3.0, "pictures in the busiest second over those of the mean one"),
    ("core-ms", 66.0, "time that a picture takes one core, in ms ([hosting.md](hosting.md))"),
    ("node-cores", 32, "cores of a node"),
    ("full", 0.7, "the share of a machine that may be busy in the busiest second"),
    ("units", 2, "inference units of a model, on different nodes"),
    ("picture-kb", 200.0, "size of a picture, in kB"),
    ("kept", 0.01, "share of pictures that stations keep and upload"),
    ("audit-days", 30, "`--audit-days`"),
    ("verdict-days", 30, "`--station-verdict-days`"),
    ("station-verdicts", 500_000, "`--station-verdicts`"),
    ("record-delay", 1.0, "seconds after which a record should be in the database"),
    ("report-seconds", 60.0, "seconds between two reports of a station"),
    ("trainings", 1.0, "trainings of each line per day"),
    ("database-cores", 16, "cores of the database server"),
    ("database-log-mb", 300.0, "MB of log per second that its disk takes"),
    ("database-tb", 10.0, "TB that its disk holds"),
    ("dollar-core-hour", 0.04, "dollars for a core, per hour"),
    ("dollar-gb-month", 0.12, "dollars for a GB of the database's disk, per month"),
    ("dollar-s3-gb-month", 0.023, "dollars for a GB in S3, per month"),
    ("dollar-s3-put", 5e-6, "dollars for a PUT"),
]
METRICS_OF_A_MODEL = 12
CONNECTIONS_OF_A_NODE = 16
MOST_RECORDS = 500  # of one call of a station
MOST_LINES = 500  # of the audit in one transaction
FLUSH_SECONDS = 10
MEGA = 1e6


class Slopes:
    """What a transaction costs: a fixed part and one for each row, from measurements with few and with many rows."""

    FIELDS = ("database_ms", "node_ms", "log_bytes", "table_bytes", "median_ms", "per_second", "repeated")

    def __init__(self, path):
        found = collections.defaultdict(list)
        for line in path.read_text(encoding="utf-8").splitlines():
            measured = json.loads(line)
            found[measured["kind"], measured["rows"], measured["writers"]].append(measured)
        self.measured = {key: {field: statistics.median(one[field] for one in runs) for field in self.FIELDS} for key, runs in found.items()}

    def rows_of(self, kind, writers=4):
        return sorted(rows for k, rows, w in self.measured if k == kind and w == writers)

    def line(self, kind, field, writers=4):
        """Returns the fixed part and that of each row. Neither is negative: noise must not make anything cheaper than nothing."""
        sizes = self.rows_of(kind, writers)
        few, many = (self.measured[kind, rows, writers][field] for rows in (sizes[0], sizes[-1]))
        if len(sizes) == 1:
            return few, 0.0
        slope = max(0.0, (many - few) / (sizes[-1] - sizes[0]))
        return max(0.0, few - slope * sizes[0]), slope

    def cost(self, kind, field, rows):
        fixed, slope = self.line(kind, field)
        return fixed + slope * rows


def number(value, digits=3):
    """A number as people write it: three significant digits, and commas."""
    if value == 0:
        return "0"
    digits = digits - 1 - math.floor(math.log10(abs(value)))
    value = round(value, digits)
    return f"{value:,.{max(0, digits)}f}"


def table(head, rows):
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)])


class Installation:
    """One way to run it. `share` is the share of pictures that nodes judge; stations judge the others and send records."""

    def __init__(self, a, slopes, share):
        self.a, self.slopes = a, slopes
        self.mean = a.pictures / DAY
        self.peak = self.mean * a.peak
        self.judged, self.recorded = self.peak * share, self.peak * (1 - share)
        self.cores = self.judged * a.core_ms / 1000 / a.full
        # One node more than needed, so that one may fail; and three at least.
        self.nodes = max(3, math.ceil(self.cores / a.node_cores) + 1)
        self.hosts = min(a.units, self.nodes)
        self.relayed = 1 - self.hosts / self.nodes

    def batch(self):
        """How many records a call of a station has, if it waits for as many as come within the delay."""
        return max(1.0, min(MOST_RECORDS, self.recorded / self.a.lines * self.a.record_delay))

    def demands(self):
        """Returns for each kind of transaction how many there are per second in the busiest second, and how many rows each has."""
        a, nodes = self.a, self.nodes
        out = {}
        if self.judged > 0:
            out["calls"] = (self.judged * (1 + self.relayed), 1)
        # A line for each picture that a node judges, for each call of a station, and some for people.
        lines = self.judged + (self.recorded / self.batch() if self.recorded else 0) + a.lines / a.report_seconds
        each = min(MOST_LINES, lines / nodes)
        out["audit"] = (lines / each, each)
        out["metrics"] = (nodes / FLUSH_SECONDS, max(1.0, a.lines * self.hosts / nodes * METRICS_OF_A_MODEL))
        if self.recorded > 0:
            out["verdicts"] = (self.recorded / self.batch(), self.batch())
            out["station reports"] = (a.lines / a.report_seconds, 1)
        out["beats"] = (float(nodes), nodes)
        out["jobs"] = (a.lines * a.trainings * 3 * a.peak / DAY, 1)
        return out

    def needs(self, kind, rate, rows):
        """Database cores, MB of log per second, and cores of all nodes."""
        source = "beats" if kind == "station reports" else kind
        cost = {field: self.slopes.cost(source, field, rows) for field in ("database_ms", "node_ms", "log_bytes")}
        return rate * cost["database_ms"] / 1000, rate * cost["log_bytes"] / MEGA, rate * cost["node_ms"] / 1000

    def stored(self):
        """Bytes of each table in its settled state."""
        a, share = self.a, self.judged / self.peak
        bytes_of = {kind: self.slopes.line(kind, "table_bytes")[1] for kind in ("audit", "verdicts", "metrics")}
        calls = a.pictures * share + (a.pictures * (1 - share) / self.batch() if self.recorded else 0)
        verdicts = min(a.pictures / a.lines * (1 - share) * a.verdict_days, a.station_verdicts) * a.lines
        # Points per minute for 15 days, per 5 minutes up to 63, per hour up to 455.
        points = 15 * 1440 + 48 * 288 + 392 * 24
        return {"audit": (calls * a.audit_days, calls * a.audit_days * bytes_of["audit"]),
                "verdicts": (verdicts, verdicts * bytes_of["verdicts"]),
                "metrics": (points * a.lines * METRICS_OF_A_MODEL, points * a.lines * METRICS_OF_A_MODEL * bytes_of["metrics"])}


def ways(a, slopes):
    return {"nodes judge all": Installation(a, slopes, 1.0), "stations judge all": Installation(a, slopes, 0.0)}


def assumptions(a):
    return table(["option", "here", "what it is"], [[f"`--{name}`", number(float(getattr(a, name.replace("-", "_")))), text] for name, _, text in ASSUMPTIONS])


def measured(slopes):
    names = {"calls": "what a judged picture asks: who calls, and which model", "audit": "lines of the audit", "metrics": "points of metrics", "metrics of shared models": "the same points, written by all at once",
             "verdicts": "records of a station", "beats": "a node's beat, which reads the rows of all", "jobs": "a job from its row to its end (three transactions)"}
    rows = []
    for kind, text in names.items():
        for size in slopes.rows_of(kind):
            one, many, most = (slopes.measured.get((kind, size, writers)) for writers in (1, 4, 16))
            rows.append([text, str(size), *(number(m["per_second"]) if m else "" for m in (one, many, most)), number(many["database_ms"]), number(many["node_ms"]), number(many["log_bytes"] / 1000) if many["log_bytes"] > 100 else "–",
                         f"{100 * (most or many)['repeated']:.0f} %"])
    return table(["transaction", "rows", "per second, 1 writer", "4 writers", "16 writers", "database, ms of a core", "node, ms of a core", "log, kB", "run again, 16 writers"], rows)


def sizes(all_ways):
    rows = []
    for name, w in all_ways.items():
        a = w.a
        rows.append([name, number(w.mean), number(w.peak), number(w.cores), str(w.nodes), number(w.cores / a.lines if w.judged else w.recorded * a.core_ms / 1000 / a.full / a.lines),
                     number(w.judged * a.picture_kb * 1000 * 8 / 1e9 * (1 + w.relayed)), f"{100 * w.relayed if w.judged else 0:.0f} %", str(w.nodes * CONNECTIONS_OF_A_NODE)])
    return table(["way", "pictures per second, mean", "busiest", "cores of nodes for pictures", "nodes", "cores per line, wherever", "pictures into and between nodes, Gbit/s", "relayed", "connections to the database, at most"], rows)


def database(all_ways):
    rows = []
    for name, w in all_ways.items():
        total = [0.0, 0.0, 0.0]
        for kind, (rate, per) in w.demands().items():
            needs = w.needs(kind, rate, per)
            total = [t + n for t, n in zip(total, needs)]
            rows.append([name, kind, number(rate), number(per), *(number(n) for n in needs)])
        rows.append([name, "**together**", "", "", *(f"**{number(t)}**" for t in total)])
    return table(["way", "transactions", "per second", "rows in each", "cores of the database", "MB of log per second", "cores of all nodes"], rows)


def storage(all_ways):
    rows = []
    for name, w in all_ways.items():
        for kind, (count, size) in w.stored().items():
            if count:
                rows.append([name, kind, number(count), number(size / 1e12)])
    return table(["way", "table of", "rows", "TB"], rows)


def first_to_break(all_ways):
    """Each limit is hit at some number of pictures per day; the lowest comes first. Lines and nodes grow with the pictures, and demands are computed anew."""
    rows = []
    for name, w in all_ways.items():
        a = w.a
        share = w.judged / w.peak

        def at(pictures):
            return Installation(argparse.Namespace(**{**vars(a), "pictures": pictures, "lines": a.lines * pictures / a.pictures}), w.slopes, share)

        def cores(i):
            return sum(i.needs(kind, *demand)[0] for kind, demand in i.demands().items()) / (a.database_cores * a.full)

        def log(i):
            return sum(i.needs(kind, *demand)[1] for kind, demand in i.demands().items()) / a.database_log_mb

        def disk(i):
            return sum(size for _, size in i.stored().values()) / 1e12 / a.database_tb

        def metric_rows(i):
            # Nodes that host the same models write the same rows, one after the other.
            fixed, slope = i.slopes.line("metrics", "database_ms")
            return i.hosts * (fixed + slope * a.lines * i.hosts / i.nodes * METRICS_OF_A_MODEL) / 1000 / FLUSH_SECONDS

        def beats(i):
            fixed, slope = i.slopes.line("beats", "database_ms")
            return i.nodes * (fixed + slope * i.nodes) / 1000 / (a.database_cores * a.full)

        def claims(i):
            # Workers that claim jobs at the same time get in each other's way; what they reached together was measured.
            return i.demands()["jobs"][0] / i.slopes.measured["jobs", 1, 16]["per_second"]

        limits = [("disk of the database (rows that are kept)", disk), ("processors of the database", cores), ("log of the database", log), ("rows of metrics that several nodes write", metric_rows), ("beats of the nodes, which grow with the square of their number", beats), ("claims of jobs, one after the other", claims)]
        found = []
        for what, load in limits:
            low, high = 1e3, 1e15
            if load(at(high)) < 1:
                found.append((math.inf, what))
                continue
            for _ in range(200):
                middle = math.sqrt(low * high)
                low, high = (middle, high) if load(at(middle)) < 1 else (low, middle)
            found.append((high, what))
        for pictures, what in sorted(found):
            rows.append([name, what, number(pictures) if pictures < 1e15 else "never", f"{pictures / a.pictures:,.2g} ×" if pictures < 1e15 else ""])
    return table(["way", "what is full", "at so many pictures per day", "of those wanted"], rows)


def dollars(all_ways):
    rows = []
    for name, w in all_ways.items():
        a = w.a
        hours = 730
        nodes = w.nodes * a.node_cores * hours * a.dollar_core_hour
        needed = sum(w.needs(kind, *demand)[0] for kind, demand in w.demands().items()) / a.full
        base = max(needed, 2) * 2 * hours * a.dollar_core_hour  # with a standby
        disk = 2 * sum(size for _, size in w.stored().values()) / 1e9 * a.dollar_gb_month
        kept = a.pictures * a.kept * (w.recorded / w.peak)
        s3 = kept * 30 * a.dollar_s3_put + kept * 30 * a.picture_kb / 1e6 * a.dollar_s3_gb_month
        stations = 0 if w.judged else w.recorded * a.core_ms / 1000 / a.full * hours * a.dollar_core_hour
        total = nodes + base + disk + s3
        rows.append([name, *(number(x) for x in (nodes, base, disk, s3, total)), number(stations), number((total + stations) / (a.pictures * 30) * 1e6)])
    return table(["way", "nodes", "database, with a standby", "its disks", "S3", "together, $ per month", "the stations' own cores, at the same price", "$ per million pictures, stations included"], rows)


def s3(all_ways):
    rows = []
    for name, w in all_ways.items():
        a = w.a
        kept = a.pictures * a.kept * (w.recorded / w.peak)
        # A start of a model reads some ten objects; a training reads its pictures and writes a model.
        moved = a.lines * w.hosts * 10
        rows.append([name, number(kept), number(kept * w.a.peak / DAY), number(kept * a.picture_kb * 1000 * 8 / DAY * a.peak / 1e9), number(kept * 30 * a.picture_kb / 1e9), number(moved)])
    return table(["way", "kept pictures per day (PUT)", "per second, busiest", "Gbit/s, busiest", "TB for 30 days", "GET when all models start anew"], rows)


def relaying(a, slopes):
    """Places models by rendezvous order and sends calls in three ways. Models are drawn with a fixed seed, so that the table is always the same."""
    w = Installation(a, slopes, 1.0)
    rng = random.Random(1)
    rows = []
    for nodes in sorted({3, 10, w.nodes}):
        hosts = [set(rng.sample(range(nodes), min(a.units, nodes))) for _ in range(a.lines)]
        load = collections.Counter(node for h in hosts for node in h)
        robin = sum(1 - len(h) / nodes for h in hosts) / a.lines
        hashed = sum(rng.randrange(nodes) not in h for h in hosts) / a.lines
        most = max(load.values()) / (sum(load.values()) / nodes)
        passes = robin * w.peak
        rows.append([str(nodes), f"{100 * robin:.0f} %", f"{100 * hashed:.0f} %", "0 %", f"{passes / nodes:,.0f}", f"{most:.2f}"])
    return table(["nodes", "relayed with round robin", "with a hash of the path at the balancer", "with a map of models to nodes", "relayed per second and node, round robin, busiest", "models of the fullest node over the mean"], rows)


def tables(a):
    slopes = Slopes(a.slopes)
    all_ways = ways(a, slopes)
    return {"assumptions": assumptions(a), "measured": measured(slopes), "sizes": sizes(all_ways), "database": database(all_ways), "storage": storage(all_ways), "first to break": first_to_break(all_ways), "s3": s3(all_ways),
            "relaying": relaying(a, slopes), "dollars": dollars(all_ways)}


def written(page, computed):
    def replaced(match):
        return f"<!-- computed: {match[1]} -->\n{computed[match[1]]}\n<!-- end -->"
    return re.sub(r"<!-- computed: ([^>]+) -->\n.*?<!-- end -->", replaced, page, flags=re.S)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slopes", type=pathlib.Path, default=ROOT / "bench" / "scale_slopes.jsonl")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--check", action="store_true")
    for name, default, text in ASSUMPTIONS:
        parser.add_argument("--" + name, type=type(default), default=default, help=text.replace("%", "%%"))
    options = parser.parse_args()
    computed = tables(options)
    page = ROOT / "docs" / "scale.md"
    if options.write or options.check:
        before = page.read_text(encoding="utf-8")
        after = written(before, computed)
        if options.write:
            page.write_text(after, encoding="utf-8")
        elif before != after:
            sys.exit("docs/scale.md does not have what bench/scale_model.py computes; run it with --write")
        return
    for name, text in computed.items():
        print(f"{name}\n\n{text}\n")


if __name__ == "__main__":
    main()
