import socket
import unittest

import redis
from webui_preload.services import broker
from webui_preload.services.wait import wait_for_services
from webui_preload.settings import SettingsError

SENTINEL = {
    "REDIS_URL": "redis://user:hunter2@MyMaster:6379/0",
    "REDIS_SENTINEL_HOSTS": "127.0.0.1, 127.0.0.2",
    "REDIS_SENTINEL_PORT": "1",
}


class WhereTest(unittest.TestCase):
    def test_it_names_the_server_and_no_password(self) -> None:
        self.assertEqual(broker.where({"REDIS_URL": "redis://user:hunter2@h:6380/1"}), "h:6380")
        self.assertEqual(broker.where({"REDIS_URL": "unix:///run/redis.sock"}), "/run/redis.sock")

    def test_with_sentinels_it_names_the_master_in_its_own_case(self) -> None:
        self.assertEqual(broker.where(SENTINEL), "MyMaster (sentinels 127.0.0.1, 127.0.0.2, port 1)")


class ConnectedTest(unittest.TestCase):
    def test_sentinels_that_do_not_answer_are_each_named(self) -> None:
        refused = self.assertRaisesRegex(redis.ConnectionError, "no sentinel names .*MyMaster")
        with refused as caught, broker.connected(SENTINEL):
            pass
        for host in ("127.0.0.1: ", "127.0.0.2: "):
            self.assertIn(host, str(caught.exception))
        self.assertNotIn("hunter2", str(caught.exception))

    def test_a_port_that_is_none_is_an_error_of_the_settings(self) -> None:
        environ = {**SENTINEL, "DATABASE_URL": "sqlite:////nowhere", "REDIS_SENTINEL_PORT": "x"}
        with self.assertRaisesRegex(SettingsError, "REDIS_SENTINEL_PORT"):
            wait_for_services(environ)

    def test_sentinels_that_refuse_the_password_are_not_waited_for(self) -> None:
        with Refusing() as port:
            environ = {
                **SENTINEL,
                "DATABASE_URL": "sqlite:////nowhere",
                "REDIS_SENTINEL_HOSTS": "127.0.0.1",
                "REDIS_SENTINEL_PORT": str(port),
            }
            with self.assertRaisesRegex(SettingsError, "must have the password of REDIS_URL"):
                wait_for_services(environ)


class Refusing:
    """A server that answers every command as a sentinel does whose password is another."""

    def __enter__(self) -> int:
        import threading

        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        port: int = self._socket.getsockname()[1]
        return port

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            with peer:
                while data := peer.recv(4096):
                    for _ in range(data.count(b"*")):
                        peer.sendall(b"-WRONGPASS invalid username-password pair or user is disabled.\r\n")
