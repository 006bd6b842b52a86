# A handler for `Handler-Mode: stream`: a letter is a line of JSON, `done ID` the answer, and what can be read at once
# is answered at once.
import json
import os

rest = b""
while chunk := os.read(0, 1 << 16):
    *lines, rest = (rest + chunk).split(b"\n")
    answer = "".join("done %s\n" % json.loads(line)["id"] for line in lines).encode()
    while answer:
        answer = answer[os.write(1, answer):]
