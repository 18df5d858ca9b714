"""Runs a command for each connection to a port of 127.0.0.1 that the system chooses, as inetd does.

   inetd.py PORT-FILE COMMAND...
"""
import os
import socket
import subprocess
import sys

with socket.create_server(("127.0.0.1", 0)) as server:
    with open(sys.argv[1] + ".new", "w") as file:
        print(server.getsockname()[1], file=file)
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    while True:
        connection, _ = server.accept()
        with connection:
            subprocess.run(sys.argv[2:], stdin=connection, stdout=connection, check=False)
