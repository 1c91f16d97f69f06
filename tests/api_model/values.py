"""Values at and just outside the limits of the types of an API model."""
import base64
import json
import os
import re

SERVICES = os.path.join(os.path.dirname(__file__), "..", "..", "src", "api")
NUL = "a NUL character"
# These values fit patterns for which trying one character at a time finds nothing.
SHAPES = {
    "AnomalyClassFilter": ["normal"], "DatasetType": ["train", "test"], "Color": ["#a1B2c3"], "ComponentVersion": ["1.0.0", "123456.123456.123456"],
    "ModelVersion": ["1", "latest", "1234567890"], "ModelVersionNoLatest": ["1", "1234567890"], "MetricName": ["Time"],
    "ActionName": ["s3:GetObject", "a:b", "s3:" + "A" * 125],
}


def load(service):
    with open(os.path.join(SERVICES, service, "model.json"), encoding="utf-8") as file:
        return json.load(file)


def fits(type_, text):
    if "enum" in type_:
        return text in type_["enum"]
    if not type_.get("min", 0) <= len(text) <= type_.get("max", 1 << 30):
        return False
    pattern = type_.get("pattern")
    if pattern is None:
        return True
    return re.fullmatch(pattern.replace(r"\p{L}", "a-zA-Zä").replace(r"\p{Z}", " ").replace(r"\p{N}", "0-9"), text, re.S) is not None


def text_of(name, type_, length):
    """A valid text of this length, or None if the pattern allows none."""
    if "enum" in type_:
        return type_["enum"][0]
    if name == "CompilerOptions":
        return "{" + " " * (length - 2) + "}"  # the service reads it, too
    if name == "PolicyDocument":
        document = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
        return document + " " * (length - len(document)) if length >= len(document) else None
    for text in SHAPES.get(name, []) + [c * length for c in "a1A-/{"]:
        if len(text) == length and fits(type_, text):
            return text
    return None


class Model:
    def __init__(self, service):
        self.json = load(service)
        self.service, self.types = self.json["service"], self.json["types"]
        self.operations = {o["name"]: o for o in self.json["operations"]}
        self.errors = self.json["errors"]

    def sample(self, name):
        """A plain valid value; structures with their required members only."""
        type_ = self.types[name]
        kind = type_["type"]
        if kind == "structure":
            return {member: self.sample(m["type"]) for member, m in type_["members"].items() if m.get("required")}
        if kind == "list":
            return []
        if kind in ("integer", "long"):
            return type_.get("min", 1)
        if kind == "boolean":
            return True
        if kind == "timestamp":
            return "2022-03-01T10:00:00Z"
        if kind == "blob":
            return base64.b64encode(b"x").decode()
        if name in SHAPES:
            return SHAPES[name][0]
        if name == "PolicyDocument":
            return text_of(name, type_, 100)
        return text_of(name, type_, max(type_.get("min", 1), 3 if type_.get("max", 3) >= 3 else 1))

    def good(self, name):
        """(why, value) that must pass."""
        type_ = self.types[name]
        kind = type_["type"]
        if kind == "string":
            for limit in ("min", "max"):
                text = text_of(name, type_, type_[limit]) if limit in type_ else None
                if text is not None:
                    yield f"{limit}imum length {type_[limit]}", text
            for value in type_.get("enum", []) + SHAPES.get(name, []):
                yield f"the value {value}", value
            if type_.get("pattern", "").find("\\p{L}") >= 0:
                yield "letters of any script", "äΩ字 1"
        elif kind in ("integer", "long"):
            for limit in ("min", "max"):
                if limit in type_:
                    yield f"{limit}imum {type_[limit]}", type_[limit]
        elif kind == "list":
            for limit in ("min", "max"):
                if limit in type_:
                    yield f"{limit}imum items {type_[limit]}", [self.item(type_["item"], i) for i in range(type_[limit])]
        elif kind == "blob" and "max" in type_:
            yield f"maximum bytes {type_['max']}", base64.b64encode(b"x" * type_["max"]).decode()
            yield "minimum bytes", base64.b64encode(b"x" * type_["min"]).decode()
        elif kind == "boolean":
            yield "true", True
            yield "false", False
        elif kind == "timestamp":
            for text in ("2020-06-23T00:00:00Z", "2020-06-01T01:02:03.456000Z", "2020-06-01T01:02:03.456Z", "2020-06-01T01:02:03", "1592870400", "1592870400.5"):
                yield f"the form {text}", text

    def item(self, name, number):
        """Items of a list that differ."""
        if name == "Tag":
            return {"Key": f"k{number}", "Value": "v"}
        return self.sample(name) if self.types[name]["type"] == "structure" else f"k{number}"

    def bad(self, name, in_text):
        """(why, value, error) that must fail; `in_text`: not in a JSON body, where types cannot be wrong."""
        type_ = self.types[name]
        kind = type_["type"]
        validation, serialization = "ValidationException", "SerializationException"
        if kind == "string":
            if type_.get("min", 0) > 0:
                yield "below the minimum length", "a" * (type_["min"] - 1), validation
            if "max" in type_:
                text = (text_of(name, type_, type_["max"]) or "1") + "1"
                yield "above the maximum length", text if len(text) > type_["max"] else "1" * (type_["max"] + 1), validation
            if "enum" in type_:
                yield "not in the enum", type_["enum"][0] + "X", validation
            if "pattern" in type_:
                wrong = next((t for t in ("!", "a b", "ü", "/", "*a", "#", "   ") if len(t) >= type_.get("min", 0) and not fits({**type_, "min": 0}, t)), None)
                if wrong is None:
                    wrong = next((c * max(1, type_.get("min", 1)) for c in "!ü /*#\t" if not fits(type_, c * max(1, type_.get("min", 1)))), None)
                if wrong is not None:
                    yield f"against the pattern: {wrong!r}", wrong, validation
            yield NUL, (text_of(name, type_, max(type_.get("min", 1), 2)) or self.sample(name))[:-1] + "\0", validation
            if not in_text:
                for value in (5, True, ["a"], {"a": "b"}):
                    yield f"the JSON value {value!r}", value, serialization
        elif kind in ("integer", "long"):
            if "min" in type_:
                yield "below the minimum", type_["min"] - 1, validation
            yield "above the maximum", type_.get("max", 2**31 - 1) + 1, validation
            if in_text:
                yield "no integer", "1.5", validation
            else:
                for value in ("1", 1.5, True, [1], {}):
                    yield f"the JSON value {value!r}", value, serialization
        elif kind == "list":
            if "max" in type_:
                yield "too many items", [self.item(type_["item"], i) for i in range(type_["max"] + 1)], validation
            if not in_text:
                for value in ("a", 1, {}):
                    yield f"the JSON value {value!r}", value, serialization
                yield "null as an item", [None], serialization
        elif kind == "blob" and not type_.get("streaming"):
            yield "no bytes", "", validation
            yield "too many bytes", base64.b64encode(b"x" * (type_["max"] + 1)).decode(), validation
            for value in (5, "no base64!", "YQ"):
                yield f"the JSON value {value!r}", value, serialization
        elif kind == "structure":
            for value in ("a", 1, ["a"], True):
                yield f"the JSON value {value!r}", value, serialization
        elif kind == "boolean":
            yield "neither true nor false", "yes", validation if in_text else serialization
        elif kind == "timestamp":
            for value in ("yesterday", "2020-13-01T00:00:00Z", "2020-06-23T25:00:00Z"):
                yield f"the text {value}", value, validation

    def problems(self, name, value, path=""):
        """What is wrong with a value of an answer: unknown members, wrong types, limits, enums, patterns."""
        type_ = self.types[name]
        kind = type_["type"]
        if kind == "structure":
            if not isinstance(value, dict):
                return [f"{path} is no object"]
            out = [f"{path}.{m} is unknown" for m in value if m not in type_["members"]]
            for member, m in type_["members"].items():
                if member in value:
                    out += self.problems(m["type"], value[member], f"{path}.{member}")
                elif m.get("required"):
                    out.append(f"{path}.{member} is missing")
            return out
        if kind == "list":
            return [p for i, v in enumerate(value) for p in self.problems(type_["item"], v, f"{path}[{i}]")] if isinstance(value, list) else [f"{path} is no list"]
        expected = {"string": str, "integer": int, "long": int, "boolean": bool, "blob": str}.get(kind, (int, float))
        if not isinstance(value, expected) or (isinstance(value, bool) and kind != "boolean"):
            return [f"{path} is {value!r}, no {kind}"]
        # Greengrass's real ARNs have an account where the model's pattern wants "aws"; no client looks.
        if kind == "string" and name != "ComponentVersionArn" and not fits(type_, value):
            return [f"{path} is {value!r}, against the limits of {name}"]
        if kind == "float":
            import struct
            if struct.unpack("f", struct.pack("f", value))[0] != value:
                return [f"{path} is {value!r}, not exact as a 32-bit float"]
        return []
