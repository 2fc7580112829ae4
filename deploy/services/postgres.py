"""PostgreSQL with its own cluster in a folder, a password drawn for it, fsync on, TCP on loopback only."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from pathlib import Path

from deploy.services.process import HOST, Service, ServiceFailed, find_program, free_port

USER = "liteheart"


class Postgres(Service):
    """A PostgreSQL server; `url` is for SQLAlchemy with psycopg."""

    password: str

    @property
    def url(self) -> str:
        """For LITEHEART_DATABASE."""
        return f"postgresql+psycopg://{USER}:{self.password}@{HOST}:{self.port}/postgres"


def start_postgres(folder: Path, port: int | None = None) -> Postgres:
    """Start PostgreSQL on the cluster in `folder`, made on the first call. Raises ServiceMissing, ServiceFailed.

    PostgreSQL refuses root: as root, the cluster belongs to `postgres` (or `nobody`), who must be able to reach
    `folder`.
    """
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    initdb, server = (find_program(name, *binaries) for name in ("initdb", "postgres"))
    isready = find_program("pg_isready", *binaries)
    port = port or free_port()
    user = _unprivileged_user() if os.geteuid() == 0 else None
    folder.mkdir(parents=True, exist_ok=True)
    if user:
        shutil.chown(folder, user)
    password = _cluster(folder, initdb, user)
    command = [server, "-D", str(folder / "cluster"), "-p", str(port), "-c", f"listen_addresses={HOST}"]
    command += ["-c", "unix_socket_directories="]
    probe = [isready, "--quiet", "--host", HOST, "--port", str(port), "--username", USER, "--dbname", "postgres"]
    service = Postgres(
        "postgres",
        command,
        folder=folder,
        port=port,
        ready=lambda: subprocess.run(probe, check=False).returncode == 0,  # noqa: S603 - our own command line
        stop_signal=signal.SIGINT,  # SIGTERM would wait for every client to leave
        user=user,
    )
    service.password = password
    return service.start()


def _cluster(folder: Path, initdb: str, user: str | None) -> str:
    """Make the cluster unless it is there; its superuser's password."""
    secret = folder / "password"
    if (folder / "cluster").exists():
        return secret.read_text().strip()
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_urlsafe(24) + "\n")
    if user:
        shutil.chown(secret, user)
    command = [initdb, "--pgdata", str(folder / "cluster"), "--username", USER, "--pwfile", str(secret)]
    command += ["--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"]
    made = subprocess.run(  # noqa: S603 - our own command line, no shell
        command, capture_output=True, text=True, check=False, user=user, cwd=folder
    )
    if made.returncode:
        raise ServiceFailed(f"initdb: {' | '.join(made.stderr.splitlines()[-3:])}")
    return secret.read_text().strip()


def _unprivileged_user() -> str:
    accounts = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in accounts:
            return name
    raise ServiceFailed("PostgreSQL refuses to run as root, and there is no account postgres or nobody")
