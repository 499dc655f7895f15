"""A PostgreSQL server of one's own: fresh, on the loopback interface, gone at the end."""

import os
import pwd
import shutil
import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = 0
SERVICE = "postgres"


def programs():
    """The folder of the newest server's programs; None if there is none."""
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(found, key=lambda path: int(path.parts[-3]), default=None)
    return newest.parent if newest else None


@contextmanager
def postgres_server():
    """The URL of a new server.

    Raises
    ------
    LookupError
        If no PostgreSQL is installed.
    """
    folder_of_programs = programs()
    if folder_of_programs is None:
        raise LookupError("PostgreSQL is not installed")
    with TemporaryDirectory(prefix="marketpulse-") as name:
        # The server refuses to run as root.
        user = SERVICE if os.getuid() == ROOT else pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == ROOT:
            shutil.chown(name, user)

        def run(program, *arguments):
            command = [folder_of_programs / program, "-D", f"{name}/data", *arguments]
            subprocess.run(
                command, check=True, cwd=name, user=user, stdout=subprocess.DEVNULL, timeout=120
            )

        run("initdb", "--auth=trust", "--username=marketpulse", "--encoding=UTF8", "--locale=C")
        port = free_port()
        settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''"
        run("pg_ctl", "--wait", f"--log={name}/log", "-o", settings, "start")
        try:
            yield f"postgresql://marketpulse@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "--wait", "--mode=immediate", "stop")


def free_port():
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
