"""What is taken for a model on this machine, and how the app's start-up is kept from asking the network for it."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

import webui_preload
from model_files import FILES, REPOSITORY, WEIGHTS, local_model, needs_torch
from webui_preload.models.cache import find_model, models_folder, repository_of
from webui_preload.models.files import RemoteFile, files_to_fetch
from webui_preload.models.offline import go_offline, start_without_network

REVISION = "a" * 40
#: As get_ef of Open WebUI (0.12.4), with its defaults; what was looked up or connected to meanwhile.
LOAD = """
import socket, sys, types
asked = []
socket.getaddrinfo = lambda host, *rest, **more: asked.append(host) or (_ for _ in ()).throw(OSError("no network"))
socket.socket.connect = lambda self, address: asked.append(address) or (_ for _ in ()).throw(OSError("no network"))

def get_ef(engine, model, auto_update=True):
    import os
    from huggingface_hub import snapshot_download
    from sentence_transformers import SentenceTransformer
    path = model if os.path.exists(model) else snapshot_download(repo_id=model, local_files_only=not auto_update)
    return SentenceTransformer(path, device="cpu", trust_remote_code=True)

from webui_preload.models.offline import start_without_network
main = types.SimpleNamespace(get_ef=get_ef, get_rf=None)
start_without_network(main)
vector = main.get_ef("", sys.argv[1]).encode("A sentence.")
print(f"{len(vector)} numbers, asked: {asked}")
"""

LOADED = ("config.json", "modules.json", "1_Pooling/config.json", "tokenizer.json", "model.safetensors")


class CacheTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.environ = {"HOME": folder.name, "HF_HUB_CACHE": folder.name}

    def place(self, repository: str = REPOSITORY, files: tuple[str, ...] = LOADED, **contents: bytes) -> Path:
        storage = self.folder / f"models--{repository.replace('/', '--')}"
        shutil.rmtree(storage, ignore_errors=True)
        snapshot = storage / "snapshots" / REVISION
        for file in files:
            path = snapshot / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(FILES.get(file, WEIGHTS))
        for name, content in contents.items():
            (snapshot / f"{name}.json").write_bytes(content)
        (storage / "refs").mkdir()
        (storage / "refs" / "main").write_text(REVISION)
        return snapshot

    def test_the_cache_is_where_hugging_faces_own_library_has_it(self) -> None:
        home = {"HOME": "/h"}
        for environ, expected in (
            (home, "/h/.cache/huggingface/hub"),
            ({**home, "XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"),
            ({**home, "HF_HOME": "~/hf"}, "/h/hf/hub"),
            ({**home, "HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old"}, "/old"),
            ({**home, "HF_HOME": "/hf", "HF_HUB_CACHE": "$HOME/hub"}, "/h/hub"),
            ({**home, "HF_HUB_CACHE": "/hub", "SENTENCE_TRANSFORMERS_HOME": "/st"}, "/st"),
        ):
            self.assertEqual(str(models_folder(environ)), expected, environ)

    def test_finds_what_was_placed_by_hand(self) -> None:
        self.assertEqual(find_model(REPOSITORY, self.environ), "")
        snapshot = self.place()
        self.assertEqual(find_model(REPOSITORY, self.environ), str(snapshot))
        short = self.place("sentence-transformers/short")
        self.assertEqual(find_model("short", self.environ), str(short))

    def test_a_folder_of_the_users_is_taken_as_it_is(self) -> None:
        self.assertEqual(find_model(str(self.folder), self.environ), str(self.folder))
        self.assertEqual(find_model(f"{self.folder}/other", self.environ), "")
        self.assertEqual(repository_of(f"{self.folder}/other"), "")

    def test_a_model_that_lacks_a_file_is_none(self) -> None:
        for file in LOADED:
            if file == "config.json":
                continue  # modules.json says where the others are
            with self.subTest(file):
                path = self.place() / file
                path.unlink()
                path.symlink_to("no-such-blob")
                # Without the list of modules the folders of modules are not known, and the rest is a model.
                self.assertEqual(bool(find_model(REPOSITORY, self.environ)), file == "modules.json")

    def test_a_file_that_was_cut_off_is_missing(self) -> None:
        for file in LOADED:
            if file == "config.json":
                continue  # as above
            for size in (0, 1, -1):
                with self.subTest(file, size=size):
                    path = self.place() / file
                    whole = path.read_bytes()
                    path.write_bytes(whole[:size])
                    self.assertEqual(bool(find_model(REPOSITORY, self.environ)), file == "modules.json")
                    path.write_bytes(whole + b"\n")
                    self.assertNotEqual(find_model(REPOSITORY, self.environ), "")

    def test_weights_without_a_header_are_none(self) -> None:
        for content in (b"x" * 100, (2).to_bytes(8, "little") + b"[]", (7).to_bytes(8, "little") + b'{"a":1}'):
            (self.place() / "model.safetensors").write_bytes(content)
            self.assertEqual(find_model(REPOSITORY, self.environ), "", content)

    def test_all_shards_of_the_weights_are_needed(self) -> None:
        files = (*LOADED[:-1], "model-00001-of-00002.safetensors")
        index = json.dumps({"weight_map": {"a": files[-1], "b": "model-00002-of-00002.safetensors"}})
        snapshot = self.place(files=(*files, "model.safetensors.index.json"))
        (snapshot / "model.safetensors.index.json").write_text(index)
        self.assertEqual(find_model(REPOSITORY, self.environ), "")
        (snapshot / "model-00002-of-00002.safetensors").write_bytes(WEIGHTS)
        self.assertEqual(find_model(REPOSITORY, self.environ), str(snapshot))

    def test_code_of_another_repository_is_needed_too(self) -> None:
        auto_map = {"auto_map": {"AutoModel": "acme/code--modeling.Model"}}
        snapshot = self.place(config=json.dumps(auto_map).encode())
        self.assertEqual(find_model(REPOSITORY, self.environ), "")
        self.place("acme/code", ("modeling.py",))
        self.assertEqual(find_model(REPOSITORY, self.environ), str(snapshot))

    def test_the_start_up_loads_what_is_here_with_no_network_and_nothing_else(self) -> None:
        from huggingface_hub import constants

        loads: list[tuple[str, bool]] = []

        def load(_engine: str, model: str, *_: object, **_more: object) -> str:
            loads.append((model, constants.HF_HUB_OFFLINE))
            return "loaded"

        main = types.SimpleNamespace(get_ef=load, get_rf=load)
        start_without_network(main)
        online = constants.HF_HUB_OFFLINE
        with mock.patch.dict(os.environ, self.environ):
            self.assertIsNone(main.get_ef("", REPOSITORY))
            self.assertIsNone(main.get_rf("", REPOSITORY, "", "", ""))
            self.assertEqual(loads, [])
            snapshot = str(self.place())
            self.assertEqual(main.get_ef("", REPOSITORY), "loaded")
            self.assertEqual(main.get_rf("", REPOSITORY, "", "", ""), "loaded")
            self.assertEqual(loads, [(snapshot, True)] * 2)
            main.get_ef("openai", "text-embedding-3-small")
            main.get_rf("external", "elsewhere", "http://reranker", "", "")
        self.assertEqual(loads[2:], [("text-embedding-3-small", online), ("elsewhere", online)])
        self.assertEqual(constants.HF_HUB_OFFLINE, online)

    @needs_torch
    def test_a_real_model_is_loaded_without_a_single_question(self) -> None:
        snapshot = self.place()
        shutil.rmtree(snapshot)
        shutil.copytree(local_model(), snapshot, ignore=shutil.ignore_patterns("README.md", "data_config.json"))
        environ = {
            **self.environ,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(webui_preload.__file__).parent.parent),
        }
        answer = subprocess.check_output([sys.executable, "-c", LOAD, REPOSITORY], env=environ, text=True)
        self.assertEqual(answer.splitlines()[-1], "384 numbers, asked: []")

    def test_offline_is_never_set_against_the_user(self) -> None:
        for given, expected in (({}, "1"), ({"HF_HUB_OFFLINE": "0"}, "0"), ({"TRANSFORMERS_OFFLINE": "0"}, None)):
            with mock.patch.dict(os.environ, given, clear=True):
                go_offline()
                self.assertEqual(os.environ.get("HF_HUB_OFFLINE"), expected, given)

    def test_other_formats_of_the_weights_are_fetched_where_they_are_used(self) -> None:
        files = [RemoteFile(path, 1, REVISION) for path in ("config.json", "pytorch_model.bin", "onnx/model.onnx")]

        def paths(backend: str) -> list[str]:
            return [file.path for file in files_to_fetch(files, {"SENTENCE_TRANSFORMERS_BACKEND": backend})]

        self.assertEqual(paths("torch"), ["config.json", "pytorch_model.bin"])
        self.assertEqual(paths("onnx"), ["config.json", "onnx/model.onnx", "pytorch_model.bin"])
