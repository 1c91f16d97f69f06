"""Judges one picture by a model, in Python without any package. docs/engine-library.md explains it."""
import ctypes
import sys

library = ctypes.CDLL("libvedette.so.0")


class Error(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int32), ("message", ctypes.c_char * 508)]


def call(name, *arguments):
    """Calls a function that may fail."""
    error = Error()
    if getattr(library, name)(*arguments, ctypes.byref(error)):
        sys.exit(error.message.decode())


for name in ("confidence", "score"):
    getattr(library, "vedette_verdict_" + name).restype = ctypes.c_double
library.vedette_verdict_reason.restype = ctypes.c_char_p

model, verdict = ctypes.c_void_p(), ctypes.c_void_p()
call("vedette_model_open", sys.argv[1].encode(), 0, ctypes.byref(model))
with open(sys.argv[2], "rb") as file:
    picture = file.read()
call("vedette_judge_encoded", model, picture, ctypes.c_size_t(len(picture)), ctypes.byref(verdict))
print("anomaly" if library.vedette_verdict_is_anomalous(verdict) else "normal", library.vedette_verdict_confidence(verdict),
      library.vedette_verdict_score(verdict), library.vedette_verdict_reason(verdict).decode())
library.vedette_verdict_free(verdict)
library.vedette_model_close(model)
