"""Tests that the built console is served from the program alone, as a browser asks for it."""
import http.client
import re
import unittest

from harness import Server

SERVER = None


def setUpModule():
    global SERVER
    SERVER = Server()


def tearDownModule():
    SERVER.destroy()


def ask(path, method="GET", **headers):
    host, port = SERVER.address.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.content = answer.read()
        return answer
    finally:
        connection.close()


class ConsoleFiles(unittest.TestCase):
    def test_a_browser_is_led_to_the_page_and_gets_all_that_the_page_names(self):
        for path, headers in (("/", {"Accept": "text/html,*/*;q=0.8"}), ("/console", {})):
            led = ask(path, **headers)
            self.assertEqual((led.status, led.getheader("location")), (302, "/console/"))
        self.assertEqual(ask("/", Accept="*/*").status, 403)  # For programs this is ListBuckets without a key.
        page = ask("/console/")
        self.assertEqual((page.status, page.getheader("content-type"), page.getheader("cache-control")), (200, "text/html; charset=utf-8", "no-cache"))
        text = page.content.decode()
        self.assertNotRegex(text, r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=")  # The policy forbids whatever is inline.
        named = re.findall(r'(?:src|href)="([^"]+)"', text)
        self.assertTrue([path for path in named if path.endswith(".js")], text)
        for path in named:
            with self.subTest(path):
                self.assertTrue(path.startswith("/console/"), "The page may name nothing but its own files.")
                plain, small = ask(path), ask(path, Accept_Encoding="gzip, br")
                self.assertEqual((plain.status, plain.getheader("content-encoding"), small.getheader("content-encoding")), (200, None, "br"))
                self.assertNotEqual(plain.getheader("content-type"), "application/octet-stream")
                if path.endswith((".js", ".css")):
                    self.assertLess(len(small.content), len(plain.content) / 2)
                    self.assertEqual(plain.getheader("cache-control"), "public, max-age=31536000, immutable")

    def test_unchanged_files_are_not_sent_again_and_head_tells_their_length(self):
        page = ask("/console/")
        again = ask("/console/", If_None_Match=page.getheader("etag"))
        self.assertEqual((again.status, again.content), (304, b""))
        head = ask("/console/", "HEAD")
        self.assertEqual((head.status, head.getheader("content-length"), head.content), (200, str(len(page.content)), b""))

    def test_nothing_else_lies_below_the_path(self):
        for path in ("/console/none", "/console/assets/", "/console/..%2fhealthz", "/console/index.html/"):
            answer = ask(path)
            self.assertEqual((answer.status, answer.getheader("content-type")), (404, "text/plain; charset=utf-8"), path)
        self.assertEqual(ask("/console/", "PUT").status, 403)
        self.assertEqual(ask("/console/", Authorization="AWS4-HMAC-SHA256 Credential=x").status, 403)
        # The connection goes on after a large file.
        host, port = SERVER.address.rsplit(":", 1)
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        script = re.search(r'src="([^"]+\.js)"', ask("/console/").content.decode()).group(1)
        sizes = []
        for _ in range(3):
            connection.request("GET", script)
            sizes.append(len(connection.getresponse().read()))
        connection.close()
        self.assertEqual(len(set(sizes)), 1)


if __name__ == "__main__":
    unittest.main()
