import unittest

from hello.app import VERSION, app


class HelloTest(unittest.TestCase):
    def setUp(self):
        self.client = app.test_client()

    def test_greets(self):
        self.assertEqual(self.client.get("/").status_code, 200)

    def test_health_names_the_version(self):
        self.assertEqual(self.client.get("/health").json, {"status": "ok", "version": VERSION})


if __name__ == "__main__":
    unittest.main()
