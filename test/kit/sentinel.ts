/** A real Redis Sentinel: two servers, three sentinels, as an installation for high availability has them. */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from 'redis';
import type { Scope } from '../../src/base/io/scope.ts';
import { killAll, type StartedProcess, startProcess } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { isAlive } from '../../src/base/machine/process-table.ts';
import { PATIENCE_MS } from './patience.ts';
import { freePort } from './ports.ts';

/** In mixed case: URL parsers like to make it small. */
const MASTER = 'TestMaster';

/** Open WebUI gives all sentinels one port, so that each has an address of its own. */
const SENTINEL_HOSTS = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];

export interface SentinelOptions {
  /** Milliseconds of silence until a sentinel takes the master for dead. */
  downAfterMs?: number;
}

export class Sentinel {
  readonly password: string;
  readonly port: number;
  readonly servers: Map<number, StartedProcess>;
  readonly sentinels: StartedProcess[];

  constructor(parts: {
    password: string;
    port: number;
    servers: Map<number, StartedProcess>;
    sentinels: StartedProcess[];
  }) {
    this.password = parts.password;
    this.port = parts.port;
    this.servers = parts.servers;
    this.sentinels = parts.sentinels;
  }

  /** As a user writes them into open-webui.env; the WEBSOCKET_ ones are the tuner's to add. */
  get settings(): Record<string, string> {
    return {
      REDIS_URL: `redis://:${this.password}@${MASTER}:6379/0`,
      REDIS_SENTINEL_HOSTS: SENTINEL_HOSTS.join(','),
      REDIS_SENTINEL_PORT: `${this.port}`,
    };
  }

  /** Port of the server that the first sentinel calls the master. */
  async masterPort(): Promise<number> {
    const answer = (await this.#ask(SENTINEL_HOSTS[0] ?? '', [
      'SENTINEL',
      'GET-MASTER-ADDR-BY-NAME',
      MASTER,
    ])) as string[];
    return Number(answer[1]);
  }

  /** Kills the master with SIGKILL, and returns its port. */
  async killMaster(): Promise<number> {
    const port = await this.masterPort();
    const server = this.servers.get(port);
    if (!server) throw new Error(`no server of ours listens on ${port}`);
    await killAll([server]);
    return port;
  }

  /** Milliseconds until all sentinels name another master than the one on `port`. */
  async untilFailedOver(port: number): Promise<number> {
    const started = performance.now();
    const named = async (host: string) => {
      const answer = await this.#ask(host, ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER]);
      return Number((answer as string[])[1]);
    };
    await until(async () => (await Promise.all(SENTINEL_HOSTS.map(named))).every((other) => other !== port), {
      what: 'the sentinels name another master',
      timeoutMs: PATIENCE_MS,
      intervalMs: 50,
    });
    return performance.now() - started;
  }

  /** Changes an option of the master at the sentinels that answer. */
  async set(option: string, value: string): Promise<void> {
    const alive = SENTINEL_HOSTS.filter((_, index) => isAlive(this.sentinels[index] as StartedProcess));
    await Promise.all(alive.map((host) => this.#ask(host, ['SENTINEL', 'SET', MASTER, option, value])));
  }

  /** Waits until every sentinel knows the replica and the other sentinels: earlier there is nobody to fail over to. */
  async untilComplete(): Promise<void> {
    const knowsAll = async (host: string) => {
      const answer = (await this.#ask(host, ['SENTINEL', 'MASTER', MASTER])) as string[];
      const value = (key: string) => Number(answer[answer.indexOf(key) + 1]);
      return value('num-slaves') === 1 && value('num-other-sentinels') === SENTINEL_HOSTS.length - 1;
    };
    await until(async () => (await Promise.all(SENTINEL_HOSTS.map(knowsAll))).every(Boolean), {
      what: 'the sentinels know each other and the replica',
      timeoutMs: PATIENCE_MS,
      intervalMs: 100,
    });
  }

  async #ask(host: string, command: string[]): Promise<unknown> {
    const client = createClient({
      password: this.password,
      RESP: 2,
      socket: { host, port: this.port, reconnectStrategy: false },
    });
    client.on('error', () => undefined); // connect() reports it
    await client.connect();
    try {
      return await client.sendCommand(command);
    } finally {
      client.destroy();
    }
  }
}

export async function startSentinel(
  scope: Scope,
  { downAfterMs = 3_000 }: SentinelOptions = {},
): Promise<Sentinel> {
  const folder = await temporaryFolder(scope, 'sentinel');
  const password = `redis-password-${randomBytes(6).toString('hex')}`;
  const [first, second, port] = [await freePort(), await freePort(), await freePort()];
  const start = async (name: string, lines: string[], args: string[] = []) => {
    const path = join(folder, `${name}.conf`);
    // A secret on a command line would be everybody's to read; and sentinels rewrite their file.
    await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 });
    return startProcess(scope, 'redis-server', [path, ...args], { log: join(folder, `${name}.log`) });
  };
  const server = (on: number, ...more: string[]) =>
    start(`redis-${on}`, [
      'bind 127.0.0.1',
      `port ${on}`,
      'save ""',
      'appendonly no',
      `dir ${folder}`,
      `requirepass ${password}`,
      `masterauth ${password}`,
      'repl-diskless-sync-delay 0',
      ...more,
    ]);
  const servers = new Map([
    [first, await server(first)],
    [second, await server(second, `replicaof 127.0.0.1 ${first}`)],
  ]);
  const sentinels: StartedProcess[] = [];
  for (const host of SENTINEL_HOSTS) {
    const lines = [
      `bind ${host}`,
      `port ${port}`,
      `dir ${folder}`,
      // Open WebUI sends the sentinels the credentials of REDIS_URL.
      `requirepass ${password}`,
      `sentinel monitor ${MASTER} 127.0.0.1 ${first} 2`,
      `sentinel sentinel-pass ${password}`,
      `sentinel announce-ip ${host}`,
      `sentinel auth-pass ${MASTER} ${password}`,
      `sentinel down-after-milliseconds ${MASTER} ${downAfterMs}`,
      `sentinel failover-timeout ${MASTER} 10000`,
    ];
    sentinels.push(await start(`sentinel-${host}`, lines, ['--sentinel']));
  }
  const started = new Sentinel({ password, port, servers, sentinels });
  await started.untilComplete();
  return started;
}
