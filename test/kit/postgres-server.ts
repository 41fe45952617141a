/** A PostgreSQL server of its own, which a test may stop and start: others use the one that runs already. */
import { randomBytes } from 'node:crypto';
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { Client } from 'pg';
import { freePort } from './ports.ts';
import { type StartedProcess, startProcess, untilServing } from './processes.ts';
import type { Scope } from './scope.ts';
import { temporaryFolder } from './temp.ts';

const START_TIMEOUT_MS = 30_000;

/** PostgreSQL refuses to run as root: then it is nobody's. */
const UID = process.getuid?.() === 0 ? 65_534 : undefined;

export class PostgresServer {
  readonly url: string;
  readonly port: number;
  readonly password: string;
  readonly #scope: Scope;
  readonly #folder: string;
  #process: StartedProcess | undefined;

  private constructor(parts: { scope: Scope; folder: string; port: number; password: string }) {
    this.#scope = parts.scope;
    this.#folder = parts.folder;
    this.port = parts.port;
    this.password = parts.password;
    this.url = `postgresql://tester:${parts.password}@127.0.0.1:${parts.port}/postgres`;
  }

  static async create(scope: Scope): Promise<PostgresServer> {
    const folder = await temporaryFolder(scope, 'postgres');
    if (UID !== undefined) await chown(folder, UID, UID);
    const password = `database-password-${randomBytes(6).toString('hex')}`;
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, password, { mode: 0o600 });
    if (UID !== undefined) await chown(passwordFile, UID, UID);
    const options = ['--pgdata', join(folder, 'data'), '--username', 'tester', '--pwfile', passwordFile];
    await execa(
      await program('initdb'),
      [...options, '--auth', 'scram-sha-256', '--no-sync', '--locale', 'C.UTF-8'],
      {
        ...(UID !== undefined && { uid: UID, gid: UID }),
        cwd: folder,
      },
    );
    const server = new PostgresServer({ scope, folder, port: await freePort(), password });
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const settings = {
      listen_addresses: '127.0.0.1',
      port: `${this.port}`,
      unix_socket_directories: '',
      fsync: 'off',
      max_connections: '200',
    };
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    this.#process = await startProcess(
      this.#scope,
      await program('postgres'),
      ['-D', join(this.#folder, 'data'), ...args],
      // SIGINT is its "fast" shutdown; SIGTERM would wait for its clients.
      { log: join(this.#folder, 'log'), cwd: this.#folder, uid: UID, endSignal: 'SIGINT' },
    );
    await untilServing(this.#process, () => this.#answers(), {
      what: 'PostgreSQL answers',
      timeoutMs: START_TIMEOUT_MS,
    });
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
    this.#process = undefined;
  }

  async #answers(): Promise<boolean> {
    const client = new Client({ connectionString: this.url });
    try {
      await client.connect();
      return true;
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}

/** On the PATH, or where Debian has it: outside of the PATH, by version. */
async function program(name: string): Promise<string> {
  const { stdout } = await execa('sh', [
    '-c',
    `command -v ${name} || ls /usr/lib/postgresql/*/bin/${name} | sort -V | tail -n 1`,
  ]);
  return stdout.trim();
}
