"""Fetches files of a model from Hugging Face, or from HF_ENDPOINT, into a folder.

Arguments: the folder, the repository, its revision, and the files, the smallest first. Prints ``asking`` when it is
about to ask, and ``answered`` once the first file is there: whoever runs it ends it where that takes too long.
"""

import sys


def main(folder: str, repository: str, revision: str, *files: str) -> None:
    from huggingface_hub import hf_hub_download

    print("asking", flush=True)
    for number, file in enumerate(files):
        hf_hub_download(repository, file, revision=revision, local_dir=folder)
        if number == 0:
            print("answered", flush=True)


main(*sys.argv[1:])
