#!/usr/bin/env python3
"""Cuts the demo data set out of the wikisquad-minilm-384 evaluation set (see README.md beside this file).

Needs numpy and h5py. The result depends only on the inputs and the parameters below:

    python3 cut.py --data FOLDER [--out .] [--rows 4000] [--squad-rows 2200] [--questions 40] [--seed 1]

FOLDER holds wikisquad-minilm-384-angular.hdf5 and wikisquad-minilm-384-texts.jsonl.gz.
"""

import argparse
import collections
import gzip
import json
import pathlib
import random
import re
import unicodedata

import h5py
import numpy as np

NAME = "wikisquad-minilm-384"
SQUAD, WIKIPEDIA = 0, 2  # codes of train_source; 1 (lower-cased, tokenised sentences without a title) is left out
ANSWERS = 2  # grade in qrels: this sentence answers the question


def slug(title):
    """The title in ASCII letters, digits and hyphens: the readable part of a sentence's id."""
    ascii_title = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_title).strip("-") or "untitled"


def fill(groups, rows, chosen):
    """Adds whole groups, in the order given, while they fit into what is left of `rows`."""
    left = rows
    for group in groups:
        if len(group) <= left:
            chosen.append(group)
            left -= len(group)
    if left:
        raise SystemExit(f"{left} rows could not be filled with whole paragraphs; try another seed")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--squad-rows", type=int, default=2200)
    parser.add_argument("--questions", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)

    with h5py.File(args.data / f"{NAME}-angular.hdf5") as file:
        train, test = file["train"][:], file["test"][:]
        qrels, source, paragraph = file["qrels"][:], file["train_source"][:], file["train_paragraph"][:]
    sentences, questions = {}, {}
    with gzip.open(args.data / f"{NAME}-texts.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in map(json.loads, lines):
            if "id" in line:
                sentences[line["id"]] = line
            else:
                questions[line["query"]] = line["text"].strip()

    groups = collections.defaultdict(list)  # the rows of one paragraph or passage
    for row, number in enumerate(paragraph):
        if source[row] in (SQUAD, WIKIPEDIA):
            groups[int(source[row]), int(number)].append(row)

    answers = collections.defaultdict(list)  # question -> the rows that answer it
    for query, row, grade in qrels.tolist():
        if grade == ANSWERS and source[row] == SQUAD:
            answers[query].append(row)

    # Questions first: as many an article as needed, at most one a paragraph, without a look at any ranking.
    by_title = collections.defaultdict(list)
    for query in sorted(answers):
        if 25 <= len(questions[query]) <= 100 and questions[query].endswith("?"):
            by_title[sentences[answers[query][0]]["title"]].append(query)
    for title in sorted(by_title):
        rng.shuffle(by_title[title])
    picked, taken = [], set()
    while len(picked) < args.questions:
        before = len(picked)
        for title in sorted(by_title):
            while by_title[title] and len(picked) < args.questions:
                query = by_title[title].pop()
                home = int(paragraph[answers[query][0]])
                if home not in taken:
                    taken.add(home)
                    picked.append(query)
                    break
        if len(picked) == before:
            raise SystemExit("not enough questions")

    # Their paragraphs, then others of the same articles, then Wikipedia passages of at least three sentences.
    squad = [group for (kind, _), group in sorted(groups.items()) if kind == SQUAD]
    passages = [group for (kind, _), group in sorted(groups.items()) if kind == WIKIPEDIA and len(group) >= 3]
    chosen = [group for group in squad if int(paragraph[group[0]]) in taken]
    others = [group for group in squad if int(paragraph[group[0]]) not in taken]
    rng.shuffle(others)
    rng.shuffle(passages)
    fill(others, args.squad_rows - sum(map(len, chosen)), chosen)
    fill(passages, args.rows - args.squad_rows, chosen)
    rng.shuffle(chosen)
    rows = [row for group in chosen for row in group]

    ids, count = {}, collections.Counter()
    for row in rows:
        name = slug(sentences[row]["title"])
        count[name] += 1
        ids[row] = f"{name}-{count[name]}"

    args.out.mkdir(parents=True, exist_ok=True)
    np.save(args.out / "sentences.npy", np.ascontiguousarray(train[rows]))
    np.save(args.out / "questions.npy", np.ascontiguousarray(test[picked]))
    lines = [
        {"id": ids[row], "title": sentences[row]["title"], "text": sentences[row]["text"]} for row in rows
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    with open(args.out / "sentences.jsonl.gz", "wb") as raw:
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=9, mtime=0) as packed:
            packed.write(text.encode("utf-8"))
    with open(args.out / "questions.jsonl", "w", encoding="utf-8") as out:
        for query in picked:
            answer = [ids[row] for row in answers[query] if row in ids]
            out.write(json.dumps({"text": questions[query], "answers": answer}, ensure_ascii=False) + "\n")

    # How good the vectors are at it: cosine in float32, exact.
    unit = train[rows].astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    position = {row: at for at, row in enumerate(rows)}
    ranks = []
    for query in picked:
        scores = unit @ test[query].astype(np.float32)
        order = {int(at): rank for rank, at in enumerate(np.argsort(-scores, kind="stable"))}
        ranks.append(min(order[position[row]] for row in answers[query] if row in position))
    print(f"{len(rows)} sentences, {len(chosen)} paragraphs, {len(count)} titles, {len(picked)} questions")
    for k in (1, 3, 10):
        print(f"answer within the top {k}: {sum(rank < k for rank in ranks)} of {len(ranks)}")


if __name__ == "__main__":
    main()
