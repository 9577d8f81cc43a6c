"""The least a server can do: it reads what comes and sends the same bytes back. To try the load generator by."""

import select
import socket
import sys

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 180\r\n\r\n" + b"x" * 180

door = socket.create_server(("127.0.0.1", int(sys.argv[1])))
epoll, lines = select.epoll(), {}
epoll.register(door.fileno(), select.EPOLLIN)
while True:
    for fd, _ in epoll.poll():
        if fd == door.fileno():
            line, _ = door.accept()
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            lines[line.fileno()] = line
            epoll.register(line.fileno(), select.EPOLLIN)
            continue
        try:
            if lines[fd].recv(65536):
                lines[fd].send(ANSWER)
                continue
        except ConnectionError:
            pass
        lines.pop(fd).close()
