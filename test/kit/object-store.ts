/** A real server with S3's interface, on 127.0.0.1, that checks signatures; and boto3 beside it, as a second opinion. */
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { environments } from '../../scripts/environments.mjs';
import { isListening } from '../../src/base/io/port.ts';
import type { Scope } from '../../src/base/io/scope.ts';
import { startProcess, untilServing } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { openWebuiEnvironment } from './environment.ts';
import { PATIENCE_MS } from './patience.ts';
import { freePort } from './ports.ts';

const KEYS = { id: 'webui-tune-test', secret: 'a-secret-of-the-tests' };

const CLIENT = `
import hashlib, json, os, sys
import boto3
s3 = boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT_URL"], region_name="us-east-1",
    aws_access_key_id=os.environ["S3_ACCESS_KEY_ID"], aws_secret_access_key=os.environ["S3_SECRET_ACCESS_KEY"])
bucket = os.environ["S3_BUCKET_NAME"]
command, *words = sys.argv[1:]
if command == "bucket":
    s3.create_bucket(Bucket=bucket)
elif command == "put":
    s3.put_object(Bucket=bucket, Key=words[0], Body=words[1].encode())
elif command == "fill":
    s3.put_object(Bucket=bucket, Key=words[0], Body=b"x" * int(words[1]))
else:
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
    bodies = {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
    print(json.dumps({key: hashlib.sha256(body).hexdigest() for key, body in bodies.items()}))
`;

export class ObjectServer {
  readonly settings: Record<string, string>;

  private constructor(settings: Record<string, string>) {
    this.settings = settings;
  }

  /** With an empty bucket. */
  static async start(scope: Scope, settings: Record<string, string> = {}): Promise<ObjectServer> {
    const { objectStore } = environments();
    if (!objectStore.isComplete()) {
      throw new Error(`${objectStore.folder} is not set up: run node scripts/prepare.mjs`);
    }
    const folder = await temporaryFolder(scope, 'objects');
    const [data, port] = [join(folder, 'data'), await freePort()];
    await mkdir(data);
    const log = join(folder, 'log');
    const words = ['serve', '--data-dir', data, '--host', '127.0.0.1', '--port', `${port}`];
    const server = await startProcess(scope, join(objectStore.folder, 'bin', 'nanio'), words, {
      log,
      env: { PATH: process.env.PATH ?? '', NANIO_ACCESS_KEY: KEYS.id, NANIO_SECRET_KEY: KEYS.secret },
    });
    await untilServing(server, () => isListening('127.0.0.1', port), {
      what: 'an object store',
      timeoutMs: PATIENCE_MS,
    });
    const store = new ObjectServer({
      STORAGE_PROVIDER: 's3',
      S3_ENDPOINT_URL: `http://127.0.0.1:${port}`,
      S3_BUCKET_NAME: 'uploads',
      S3_REGION_NAME: 'us-east-1',
      S3_ACCESS_KEY_ID: KEYS.id,
      S3_SECRET_ACCESS_KEY: KEYS.secret,
      ...settings,
    });
    store.#run('bucket');
    return store;
  }

  put(key: string, text: string): void {
    this.#run('put', key, text);
  }

  /** An object of so many bytes. */
  fill(key: string, size: number): void {
    this.#run('fill', key, `${size}`);
  }

  /** Hashes of all that is in the bucket, by key. */
  contents(): Record<string, string> {
    return JSON.parse(this.#run('list'));
  }

  #run(...words: string[]): string {
    return execFileSync(openWebuiEnvironment().python, ['-c', CLIENT, ...words], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH ?? '', ...this.settings },
    });
  }
}
