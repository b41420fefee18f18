"""A PostgreSQL server for the tests alone: in a temporary folder, on a socket, gone afterwards."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Servers do not run as root.
UNPRIVILEGED = "nobody"


def binaries() -> Path:
    """The folder of initdb and pg_ctl: POSTGRES_BIN, that of the PATH, or the newest of Debian's."""
    named = os.environ.get("POSTGRES_BIN")
    on_path = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: int(each.parent.name))
    candidates = [Path(named)] if named else [Path(on_path).parent] if on_path else debian[-1:]
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "pg_ctl").exists():
            return folder
    raise RuntimeError(
        "no PostgreSQL server: install one (Debian: apt-get install postgresql), name the folder of its "
        "programs in POSTGRES_BIN, or name a server in DATABASE_URL"
    )


@contextmanager
def temporary_server() -> Iterator[str]:
    """A server while the block runs; its URL."""
    programs = binaries()
    user = UNPRIVILEGED if os.geteuid() == 0 else None

    def run(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs / program, *arguments],
            user=user,
            extra_groups=[] if user else None,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stdout}")

    # A socket's path has to be short.
    with tempfile.TemporaryDirectory(prefix="berths-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, user)
        data = folder / "data"
        run("initdb", "--pgdata", str(data), "--username", "postgres", "--auth", "trust", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        started = ["--pgdata", str(data), "--log", str(folder / "log"), "--options", options, "--wait"]
        run("pg_ctl", "start", *started)
        try:
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            run("pg_ctl", "stop", "--pgdata", str(data), "--mode", "immediate")
