# SPDX-License-Identifier: Apache-2.0
"""The peers by name: which package brings each, and which take part when none is asked for.

Standard library only: the driver reads it before there is a Python with packages. The classes behind the
names are in peer_indexes.py and vecstore_binding.py.
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Peer:
    requirement: str   # for pip; "": nothing to install
    module: str        # what has to be importable
    default: bool = False
    note: str = ""


_FAISS, _RABITQ = "faiss-cpu==1.15.1", "rabitqlib==0.7.1"

PEERS = {
    "vecstore": Peer("", "ctypes", True, "index library, one segment, settings chosen by the sweep"),
    "vecstore-api": Peer("", "ctypes", True, "vs_db_query: check for newer snapshots, ids as text"),
    "vecstore-q": Peer("", "ctypes", True, "index library; the build was given a sample of real queries"),
    "vecstore-q-api": Peer("", "ctypes", True, "vs_db_query over the index of vecstore-q"),
    "symphonyqg": Peer(_RABITQ, "rabitqlib", True, "SymphonyQG, degree 32"),
    "faiss-pq4": Peer(_FAISS, "faiss", True, "IVF, 4-bit fast scan, int8 rows"),
    "faiss-pca-pq4": Peer(_FAISS, "faiss", False, "the same with PCA and rotation in place of OPQ: trains faster"),
    "faiss-codes": Peer(_FAISS, "faiss", False, "codes without rows, for `bench index_build`"),
    "faiss-pca-codes": Peer(_FAISS, "faiss", False, "the same without OPQ, which is most of FAISS's training"),
    "faiss-hnsw": Peer(_FAISS, "faiss", False, "HNSW32 over f32 rows"),
    "faiss-rabitq": Peer(_FAISS, "faiss", False, "IVF, RaBitQ codes, int8 rows"),
    "rabitq-ivf": Peer(_RABITQ, "rabitqlib", False, "IVF, RaBitQ with 5 bits a dimension"),
    "hnswlib": Peer("hnswlib==0.8.0", "hnswlib", False, "HNSW, M 16"),
    "usearch": Peer("usearch==2.26.6", "usearch", False, "HNSW over int8 rows scaled by one factor"),
    "svs": Peer("scalable-vs==0.5.0", "svs", False, "Vamana over f16 rows"),
    "scann": Peer("scann==1.4.2", "scann", False, "tree, 4-bit codes, f32 rows"),
    "lorann": Peer("lorann==1.0.1", "lorann", False, "clusters, reduced-rank regression, f32 rows"),
    "lancedb": Peer("lancedb==0.40.0", "lancedb", False, "IVF_PQ on storage"),
}


def chosen(only):
    """Names for --only: "faiss" stands for all that begin with "faiss"; None: the default ones."""
    if not only:
        return [name for name, peer in PEERS.items() if peer.default]
    names = []
    for word in only.replace(",", " ").split():
        found = [word] if word in PEERS else [name for name in PEERS if name.startswith(word)]
        if word == "rabitqlib":
            found = ["symphonyqg"]
        if not found:
            raise SystemExit(f"error: no peer '{word}': {', '.join(PEERS)}")
        names += [name for name in found if name not in names]
    return names
