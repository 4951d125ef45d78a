"""Runs a command on a terminal of its own and tells as JSON what was on it.

usage: terminal.py COLUMNS[,COLUMNS] OUT COMMAND...

With two widths the terminal gets the second, while the command is halted, as soon as progress was seen. OUT is `-` for stdout on
the terminal, or a file. Printed is {"code": N, "progress": [[WIDTH OF THE TERMINAL, TEXT], ...], "late": BOOL, "screen": [LINE,
...]}: each state of the progress line as it was drawn, whether one was on its way for the first width when the command was halted,
and all lines that are left at the end, by pyte.
"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios

import pyte
from wcwidth import wcswidth

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# The bar's percentage, or the spinner before the time that has passed.
PROGRESS = re.compile(r"\d+% |^[⠀-⣿] ")


def resize(terminal, columns):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))


def main(widths, out, *command):
    widths = [int(width) for width in widths.split(",")]
    columns = widths[0]
    terminal, inner = pty.openpty()
    resize(terminal, columns)
    stdout = inner if out == "-" else open(out, "wb")
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "CI")}
    environment["TERM"] = "xterm-256color"
    process = subprocess.Popen(command, stdin=inner, stdout=stdout, stderr=inner, env=environment, start_new_session=True)
    os.close(inner)
    screen = pyte.HistoryScreen(columns, 50, history=10_000)
    stream = pyte.ByteStream(screen)
    progress, rest, is_late, halted = [], "", False, False
    while True:
        ready, _, _ = select.select([terminal], [], [], 0.2 if halted else 60)
        if not ready and halted:
            # All that was drawn for the first width is here.
            halted, columns = False, widths[1]
            resize(terminal, columns)
            screen.resize(columns=columns)
            os.killpg(process.pid, signal.SIGWINCH)
            os.killpg(process.pid, signal.SIGCONT)
            continue
        if not ready:
            process.kill()
            sys.exit("nothing came for a minute")
        try:
            read = os.read(terminal, 65536)
        except OSError:
            break
        if not read:
            break
        stream.feed(read)
        *parts, rest = re.split(r"[\r\n]", ESCAPE.sub("", rest + read.decode("utf-8", "replace")))
        for part in filter(PROGRESS.search, parts):
            is_first = columns != widths[0] and progress[-1][0] != columns
            if is_first and wcswidth(part.rstrip()) > columns:
                is_late = True
            else:
                progress.append([columns, part])
        if progress and len(widths) > 1 and columns == widths[0] and not halted:
            halted = True
            os.killpg(process.pid, signal.SIGSTOP)
    history = ["".join(line[place].data for place in sorted(line)) for line in screen.history.top]
    lines = [line.rstrip() for line in history + list(screen.display)]
    while lines and not lines[-1]:
        lines.pop()
    print(json.dumps({"code": process.wait(), "progress": progress, "late": is_late, "screen": lines}))


main(*sys.argv[1:])
