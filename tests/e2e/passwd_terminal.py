"""passwd_terminal.py SLUICE FILE: `sluice passwd` on a terminal, where it asks twice and shows nothing."""
import os
import pty
import sys
import termios


def is_echoing(terminal):
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


def passwd(*answers):
    """Its status, what the terminal showed, and whether it echoes afterwards. An answer per question."""
    terminal, side = pty.openpty()
    pid = os.fork()
    if pid == 0:
        os.close(terminal)
        take_terminal(side)
        os.execv(sys.argv[1], [sys.argv[1], "passwd", sys.argv[2], "typed", "--iterations", "4096"])
    shown = b""
    for question, answer in zip((b"password: ", b"again: "), answers):
        while not shown.endswith(question) or is_echoing(side):
            if not shown.endswith(question):
                shown += os.read(terminal, 100)
        os.write(terminal, answer)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.set_blocking(terminal, False)
    try:
        shown += os.read(terminal, 1000)
    except BlockingIOError:
        pass
    return status, shown, is_echoing(side)


def take_terminal(side):
    os.setsid()
    for number in (0, 1, 2):
        os.dup2(side, number)
    os.close(os.open(os.ttyname(side), os.O_RDWR))  # the first one that is opened becomes its own


def check(answers, wanted_status, wanted_words):
    status, shown, echoes = passwd(*answers)
    if status != wanted_status or wanted_words not in shown or not echoes or b"hidden" in shown:
        sys.exit(f"{answers}: status {status}, echo {echoes}, shown {shown}")


check((b"hidden\n", b"hidden\n"), 0, b"again: ")
check((b"hidden\n", b"hidden2\n"), 1, b"not the same")
check((b"hidden\x03",), 1, b"no password was given")
check((b"hidden\n", b"\x03"), 1, b"no password was given")
