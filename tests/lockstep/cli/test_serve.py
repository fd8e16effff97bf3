"""`lockstep serve`: what a person is told who starts it."""

import socket

from tests.fixtures.orders import Checkout


def test_a_port_that_is_taken_is_one_clear_line(checkout: Checkout) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = checkout.lockstep("serve", "orders", "--port", str(port))

    assert (found.returncode, found.stdout) == (2, "")
    (line,) = found.stderr.splitlines()
    assert line.startswith(f"error: Nothing can listen at 127.0.0.1, port {port}")
