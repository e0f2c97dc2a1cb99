#!/usr/bin/env python3
"""Records what a program writes to a terminal, as NAME.bin and NAME.json beside this file.

    record.py NAME COLSxROWS SCRIPT COMMAND...

SCRIPT is a JSON list: a number waits so many seconds, text is typed, and [cols, rows] resizes the window. The
program's questions are answered as the page's emulator would. Record in an empty folder, and inside
`unshare --pid --fork --mount-proc --uts` with another host name, so that nothing of the machine gets in.
"""
import fcntl, json, os, pty, select, struct, sys, termios, time

LIMIT_BYTES = 64 * 1024
ANSWERS = {b"\x1b[c": b"\x1b[?1;2c", b"\x1b[>c": b"\x1b[>0;276;0c", b"\x1b[6n": b"\x1b[1;1R", b"\x1b]11;?": b"\x1b]11;rgb:0000/0000/0000\x1b\\"}


def resize(terminal, cols, rows):
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def read_for(terminal, seconds, output):
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if not select.select([terminal], [], [], left)[0]:
            return True
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            return False
        output += piece
        for question, answer in ANSWERS.items():
            if question in piece:
                os.write(terminal, answer)
    return True


def main():
    name, size, script, command = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[4:]
    cols, rows = map(int, size.split("x"))
    pid, terminal = pty.fork()
    if pid == 0:
        time.sleep(0.2)  # The window gets its size first.
        os.execvp(command[0], command)
    resize(terminal, cols, rows)
    output, resizes = bytearray(), []
    for step in script:
        if isinstance(step, list):
            resizes.append([len(output), *step])
            resize(terminal, *step)
        elif isinstance(step, str):
            os.write(terminal, step.encode())
        elif not read_for(terminal, step, output):
            break
    os.close(terminal)
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(f"{folder}/{name}.bin", "wb") as file:
        file.write(output[:LIMIT_BYTES])
    with open(f"{folder}/{name}.json", "w") as file:
        json.dump({"cols": cols, "rows": rows, "resizes": [resize for resize in resizes if resize[0] < LIMIT_BYTES]}, file)
        file.write("\n")
    print(name, len(output), resizes)


main()
