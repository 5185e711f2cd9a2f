"""
A real SFTP server on a folder, in a process of its own.

Run by conftest.py with the folder; its first line says the port, its first argument
the folder. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import sys

import asyncssh

USER, PASSWORD = "ann", "a-test-password"


class Gate(asyncssh.SSHServer):
    """Lets one user in."""

    def begin_auth(self, _):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, password):
        return (username, password) == (USER, PASSWORD)


async def serve(folder, port):
    """Serve *folder* until nobody is there to end it."""
    server = await asyncssh.listen(
        "127.0.0.1",
        port,
        server_factory=Gate,
        server_host_keys=[asyncssh.generate_private_key("ssh-ed25519")],
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=folder),
    )
    sys.stdout.write(f"{server.get_port()}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
