"""Reads and writes the uploads of an Open WebUI that keeps them in S3, with its own boto3 and its own settings.

``read`` gets a key a line on stdin, as JSON. For each it writes a line, ``{"key": …, "size": …}``, then so many
bytes; for an object that is not there the size is null. ``write`` gets lines ``{"key": …, "path": …}``.
"""

import json
import os
import sys
from typing import Any

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

#: Bytes at once.
CHUNK = 1024 * 1024

#: One part after the other: several at once take 8 MiB each.
ONE_BY_ONE = TransferConfig(use_threads=False)

MISSING = {"404", "NoSuchKey", "NotFound"}


def connect() -> Any:
    """As Open WebUI does (open_webui/storage/provider.py)."""
    setting = os.environ.get
    credentials = {}
    if setting("S3_ACCESS_KEY_ID") and setting("S3_SECRET_ACCESS_KEY"):
        credentials = {
            "aws_access_key_id": setting("S3_ACCESS_KEY_ID"),
            "aws_secret_access_key": setting("S3_SECRET_ACCESS_KEY"),
        }
    return boto3.client(
        "s3",
        region_name=setting("S3_REGION_NAME"),
        endpoint_url=setting("S3_ENDPOINT_URL"),
        config=Config(
            s3={
                "use_accelerate_endpoint": setting("S3_USE_ACCELERATE_ENDPOINT", "false").lower() == "true",
                "addressing_style": setting("S3_ADDRESSING_STYLE"),
            },
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
        **credentials,
    )


def is_missing(error: ClientError) -> bool:
    return error.response.get("Error", {}).get("Code") in MISSING


def read(client: Any, bucket: str) -> None:
    out = sys.stdout.buffer
    for line in sys.stdin:
        key = json.loads(line)
        try:
            answer = client.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if not is_missing(error):
                raise
            out.write(json.dumps({"key": key, "size": None}).encode() + b"\n")
            continue
        out.write(json.dumps({"key": key, "size": answer["ContentLength"]}).encode() + b"\n")
        # Shorter than it says: botocore raises IncompleteReadError.
        for chunk in answer["Body"].iter_chunks(CHUNK):
            out.write(chunk)
        out.flush()


def is_there(client: Any, bucket: str, key: str, size: int) -> bool:
    try:
        return bool(client.head_object(Bucket=bucket, Key=key)["ContentLength"] == size)
    except ClientError as error:
        if is_missing(error):
            return False
        raise


def write(client: Any, bucket: str) -> None:
    for line in sys.stdin:
        entry = json.loads(line)
        key, path = entry["key"], entry["path"]
        # The name of each upload is its own: what is there with that size is the same.
        if not is_there(client, bucket, key, os.path.getsize(path)):
            client.upload_file(path, bucket, key, Config=ONE_BY_ONE)


def main() -> None:
    try:
        client = connect()
        bucket = os.environ["S3_BUCKET_NAME"]
        {"read": read, "write": write}[sys.argv[1]](client, bucket)
    except (BotoCoreError, ClientError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
