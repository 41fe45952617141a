import os
import tempfile
import unittest
from pathlib import Path

from webui_preload.settings import (
    Settings,
    SettingsError,
    apply_environment,
    database_url,
    protect_files,
    read_settings,
)

BASE = {
    "WEBUI_TUNE_CONTROL_SOCKET": "/run/x/control.sock",
    "WEBUI_TUNE_HOST": "127.0.0.1",
    "WEBUI_TUNE_PORT": "8080",
}


class ReadSettingsTest(unittest.TestCase):
    def test_the_ecosystem_files_environment_is_understood(self) -> None:
        settings = read_settings({**BASE, "WEBUI_TUNE_COMPUTED": "A,B", "WEBUI_TUNE_PRELOAD": "lean"})
        self.assertEqual(settings.run_folder, Path("/run/x"))
        self.assertEqual((settings.port, settings.choice), (8080, "lean"))
        self.assertEqual(settings.computed, {"A", "B"})

    def test_a_wrong_value_is_named(self) -> None:
        for name, value in (("PORT", "80a"), ("PORT", "0"), ("PORT", "65536"), ("PRELOAD", "all"), ("HOST", "")):
            with self.subTest(name=name, value=value), self.assertRaisesRegex(SettingsError, f"WEBUI_TUNE_{name}"):
                read_settings({**BASE, f"WEBUI_TUNE_{name}": value})


class ApplyEnvironmentTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.env_file = Path(folder.name) / "open-webui.env"
        self.secrets_file = Path(folder.name) / "secrets.env"

    def settings(self, **environ: str) -> Settings:
        return read_settings(
            {
                **BASE,
                "WEBUI_TUNE_ENV_FILE": str(self.env_file),
                "WEBUI_TUNE_SECRETS_FILE": str(self.secrets_file),
                **environ,
            }
        )

    def applied(self, environ: dict[str, str], **settings: str) -> dict[str, str]:
        apply_environment(self.settings(**settings), environ)
        return environ

    def test_environment_wins_over_env_file_and_that_over_secrets(self) -> None:
        self.env_file.write_text("A=file\nB=file\n")
        self.secrets_file.write_text("A='kept'\nB='kept'\nC='kept'\nWEBUI_SECRET_KEY='k'\n")
        environ = self.applied({"A": "shell"})
        self.assertEqual([environ[name] for name in "ABC"], ["shell", "file", "kept"])

    def test_the_env_file_wins_over_what_was_only_computed(self) -> None:
        self.env_file.write_text("POOL=9\nWEBUI_SECRET_KEY=k\n")
        environ = self.applied({"POOL": "5", "OTHER": "5"}, WEBUI_TUNE_COMPUTED="POOL,OTHER")
        self.assertEqual((environ["POOL"], environ["OTHER"]), ("9", "5"))

    def test_worker_counts_never_reach_uvicorn(self) -> None:
        self.env_file.write_text("UVICORN_WORKERS=4\nWEBUI_SECRET_KEY=k\n")
        environ = self.applied({"WEB_CONCURRENCY": "8"})
        self.assertFalse({"WEB_CONCURRENCY", "UVICORN_WORKERS"} & environ.keys())

    def test_the_pip_package_is_told_that_it_is_one(self) -> None:
        self.env_file.write_text("WEBUI_SECRET_KEY=k\n")
        self.assertEqual(self.applied({})["FROM_INIT_PY"], "true")

    def test_no_client_can_forge_its_address_unless_the_user_says_so(self) -> None:
        self.env_file.write_text("WEBUI_SECRET_KEY=k\n")
        self.assertEqual(self.applied({})["FORWARDED_ALLOW_IPS"], "127.0.0.1,::1")
        self.env_file.write_text("WEBUI_SECRET_KEY=k\nFORWARDED_ALLOW_IPS=10.0.0.7\n")
        self.assertEqual(self.applied({})["FORWARDED_ALLOW_IPS"], "10.0.0.7")

    def test_secrets_are_taken_to_the_letter(self) -> None:
        self.env_file.write_text("WEBUI_SECRET_KEY=k\n")
        self.secrets_file.write_text("PASSWORD='a${HOME}b'\n")
        self.assertEqual(self.applied({"HOME": "/root"})["PASSWORD"], "a${HOME}b")

    def test_a_missing_key_is_an_error_unless_there_is_no_sign_in(self) -> None:
        self.env_file.write_text("")
        with self.assertRaisesRegex(SettingsError, "WEBUI_SECRET_KEY"):
            self.applied({})
        self.applied({"WEBUI_AUTH": "False"})

    def test_a_line_that_is_none_is_named_without_its_text(self) -> None:
        self.env_file.write_text("A=1\nPASSWORD='half a secret\n")
        with self.assertRaises(SettingsError) as caught:
            self.applied({})
        self.assertIn("line 2", str(caught.exception))
        self.assertNotIn("secret", str(caught.exception).replace("secrets.env", ""))

    def test_blank_lines_before_the_faulty_one_are_counted(self) -> None:
        self.env_file.write_text("A=1\n\n\nPASSWORD='half\n")
        with self.assertRaisesRegex(SettingsError, "line 4: not of the form NAME=value"):
            self.applied({})

    def test_a_file_that_is_gone_is_an_error(self) -> None:
        with self.assertRaisesRegex(SettingsError, "open-webui.env cannot be read: No such file"):
            self.applied({})


class ProtectFilesTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.env_file = Path(folder.name) / "open-webui.env"
        self.secrets_file = Path(folder.name) / "secrets.env"
        self.env_file.write_text("A=1\n")
        self.secrets_file.write_text("K=1\n")

    def protect(self, env_file: int, secrets_file: int) -> list[str]:
        self.env_file.chmod(env_file)
        self.secrets_file.chmod(secrets_file)
        files = {
            "WEBUI_TUNE_ENV_FILE": str(self.env_file),
            "WEBUI_TUNE_SECRETS_FILE": str(self.secrets_file),
        }
        return protect_files(read_settings({**BASE, **files}))

    def test_private_files_need_no_word(self) -> None:
        self.assertEqual(self.protect(0o600, 0o600), [])
        self.env_file.unlink()
        self.secrets_file.unlink()
        self.assertEqual(protect_files(read_settings(BASE)), [])

    def test_our_own_file_is_mended_with_a_word(self) -> None:
        for mode in (0o640, 0o604, 0o666):
            [word] = self.protect(0o600, mode)
            self.assertIn("secrets.env: not any more", word)
            self.assertEqual(self.secrets_file.stat().st_mode & 0o777, 0o600)

    def test_the_users_file_is_told_of_and_left_alone(self) -> None:
        for mode in (0o640, 0o604, 0o664):
            [word] = self.protect(mode, 0o600)
            self.assertIn(f"chmod 600 {self.env_file}", word)
            self.assertEqual(self.env_file.stat().st_mode & 0o777, mode)

    def test_a_file_that_everybody_can_write_is_refused(self) -> None:
        with self.assertRaisesRegex(SettingsError, "everybody can write .*: chmod 600"):
            self.protect(0o602, 0o600)


class DatabaseUrlTest(unittest.TestCase):
    def test_it_is_what_open_webui_makes_of_the_same_environment(self) -> None:
        """The rules are open_webui/env.py's own; the end-to-end tests run against it."""
        self.assertEqual(database_url({"DATABASE_URL": "postgres://a@b/c"}), "postgresql://a@b/c")
        self.assertEqual(database_url({"DATA_DIR": "/d"}), "sqlite:////d/webui.db")
        parts = {"TYPE": "postgresql", "USER": "u", "PASSWORD": "p", "HOST": "h", "PORT": "5432", "NAME": "n"}
        environ = {f"DATABASE_{name}": value for name, value in parts.items()}
        self.assertEqual(database_url(environ), "postgresql://u:p@h:5432/n")
        self.assertEqual(database_url({}), f"sqlite:///{os.getcwd()}/webui.db")
