# SPDX-License-Identifier: Apache-2.0
"""Makes the files of this folder with NumPy (seeded, so that they come out the same)."""
import json
import os
import struct

import numpy as np

os.chdir(os.path.dirname(os.path.abspath(__file__)))
rng = np.random.default_rng(7)

# floats.jsonl holds numbers in many spellings, floats.f32 what NumPy makes of them.
texts = []
for value in rng.standard_normal(150):
    texts += [repr(float(value)), "%.3f" % value, "%.9g" % value, "%.17e" % value]
for value in rng.standard_normal(150).astype(np.float32):
    texts += [repr(float(value)), str(value)]
for _ in range(150):  # near the middle between two floats, where rounding twice would show
    low = np.float32(rng.standard_normal())
    middle = (float(low) + float(np.nextafter(low, np.float32(9)))) / 2
    for k in (-1, 0, 1):
        near = middle
        for _ in range(abs(k)):
            near = float(np.nextafter(near, k * 9.0))
        texts += [repr(near), "%.25f" % near]
texts += "0 0.0 -0.0 1 -1 10 1e0 1E5 1e+5 1e-5 0.1 123456789012345678901234567890 1e-44 1e-45 1e-46 1e-300 3.4028234e38 3.4028235e38".split()
texts += "3.4028236e38 1e39 -1e39 1e300 1.17549435e-38 1.1754942e-38 0.00000000000000000000000000001 16777217 16777219 9007199254740993".split()
texts += ["0.1234567890123456789012345", "1" + "0" * 25, "0." + "0" * 30 + "123"]
while len(texts) % 8:
    texts.append("0.5")
with open("floats.jsonl", "w") as out:
    for i in range(0, len(texts), 8):
        out.write('{"id":%d,"embedding":[%s]}\n' % (i // 8, ",".join(texts[i : i + 8])))
with np.errstate(over="ignore"):
    rows = [np.array(json.loads(line)["embedding"], dtype=np.float64).astype("<f4") for line in open("floats.jsonl")]
np.concatenate(rows).tofile("floats.f32")


def save(name, array, version=None):
    with open(name, "wb") as out:
        np.lib.format.write_array(out, array, version=version)


a = rng.standard_normal((20, 12)).astype("<f4")
a[0, :4] = [np.nan, np.inf, -np.inf, -0.0]
a.tofile("vectors.f32")
save("f4_v1.npy", a, (1, 0))
save("f4_v2.npy", a, (2, 0))
save("f4_v3.npy", a, (3, 0))
save("f8.npy", a.astype("<f8"))
halves = np.concatenate([np.arange(0, 65536, 37), [0x0001, 0x03FF, 0x0400, 0x7BFF, 0x7C00, 0xFC00, 0x8000, 0x8001]]).astype("<u2").view("<f2")
halves = halves[~np.isnan(halves)]
halves = halves[: len(halves) // 8 * 8].reshape(-1, 8)
save("f2.npy", halves)
halves.astype("<f4").tofile("halves.f32")
save("bad_big_endian.npy", a.astype(">f4"))
save("bad_fortran.npy", np.asfortranarray(a))
save("bad_one_dimension.npy", a[0])
save("bad_three_dimensions.npy", a.reshape(5, 4, 12))
save("bad_int64.npy", np.zeros((20, 12), "<i8"))
save("bad_structured.npy", np.zeros(3, dtype=[("x", "<f4"), ("y", "<f4")]))
with open("bad_objects.npy", "wb") as out:
    np.lib.format.write_array(out, np.array([[1.0, None]], dtype=object), allow_pickle=True)
save("bad_no_columns.npy", np.zeros((3, 0), "<f4"))
save("empty.npy", np.zeros((0, 12), "<f4"))
