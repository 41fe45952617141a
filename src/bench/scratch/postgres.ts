/** A PostgreSQL server of its own, which may be stopped and started. */
import { randomBytes } from 'node:crypto';
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LOOPBACK } from '../../base/io/address.ts';
import { freePort } from '../../base/io/port.ts';
import { runProgram, tailOf } from '../../base/io/run.ts';
import type { Scope } from '../../base/io/scope.ts';
import { type StartedProcess, type StartOptions, startProcess, untilServing } from '../../base/io/started.ts';
import { temporaryFolder } from '../../base/io/temp.ts';
import { findPostgres } from './programs.ts';

const START_TIMEOUT_MS = 30_000;

/** PostgreSQL refuses to run as root: then it is nobody's. */
const UID = process.getuid?.() === 0 ? 65_534 : undefined;

interface PostgresOptions extends Pick<StartOptions, 'env' | 'detached'> {
  /** Folder of initdb and postgres; by default that of an installed one. */
  programs?: string | undefined;
  /** Folder for its own; where we are root, all others have to be able to enter it. */
  parent?: string;
}

export class PostgresServer {
  readonly url: string;
  readonly port: number;
  readonly password: string;
  readonly #scope: Scope;
  readonly #folder: string;
  /** Of postgres and initdb. */
  readonly #programs: string;
  readonly #start: Pick<StartOptions, 'env' | 'detached'>;
  #process: StartedProcess | undefined;

  private constructor(parts: {
    scope: Scope;
    folder: string;
    programs: string;
    start: Pick<StartOptions, 'env' | 'detached'>;
    port: number;
    password: string;
  }) {
    this.#scope = parts.scope;
    this.#folder = parts.folder;
    this.#programs = parts.programs;
    this.#start = parts.start;
    this.port = parts.port;
    this.password = parts.password;
    this.url = `postgresql://tester:${parts.password}@${LOOPBACK}:${parts.port}/postgres`;
  }

  /** Throws where no program is given and none is installed. */
  static async create(
    scope: Scope,
    { programs = findPostgres(process.env.PATH), parent, ...start }: PostgresOptions = {},
  ): Promise<PostgresServer> {
    if (programs === undefined) throw new Error('there is no initdb on the PATH, nor in /usr/lib/postgresql');
    const folder = await temporaryFolder(scope, 'postgres', parent);
    if (UID !== undefined) await chown(folder, UID, UID);
    const password = `database-password-${randomBytes(6).toString('hex')}`;
    const passwordFile = join(folder, 'password');
    await writeFile(passwordFile, password, { mode: 0o600 });
    if (UID !== undefined) await chown(passwordFile, UID, UID);
    const options = ['--pgdata', join(folder, 'data'), '--username', 'tester', '--pwfile', passwordFile];
    const { code, output } = await runProgram(
      join(programs, 'initdb'),
      [...options, '--auth', 'scram-sha-256', '--no-sync', '--encoding', 'UTF8', '--locale', 'C.UTF-8'],
      {
        env: { ...process.env, ...start.env },
        cwd: folder,
        account: UID === undefined ? undefined : { uid: UID, gid: UID },
      },
    );
    if (code !== 0) throw new Error(`initdb failed:\n${tailOf(output)}`);
    const server = new PostgresServer({
      scope,
      folder,
      programs,
      start,
      port: await freePort(LOOPBACK, 0),
      password,
    });
    await server.start();
    return server;
  }

  async start(): Promise<void> {
    const settings = {
      listen_addresses: LOOPBACK,
      port: `${this.port}`,
      unix_socket_directories: '',
      fsync: 'off',
      max_connections: '200',
    };
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    this.#process = await startProcess(
      this.#scope,
      join(this.#programs, 'postgres'),
      ['-D', join(this.#folder, 'data'), ...args],
      // SIGINT is its "fast" shutdown; SIGTERM would wait for its clients.
      { ...this.#start, log: join(this.#folder, 'log'), cwd: this.#folder, uid: UID, endSignal: 'SIGINT' },
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
    const { default: pg } = await import('pg');
    const client = new pg.Client({ connectionString: this.url });
    try {
      await client.connect();
      return true;
    } finally {
      await client.end().catch(() => undefined);
    }
  }
}
