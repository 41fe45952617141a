/**
 * A machine of its own, as far as namespaces make one: network, mounts and processes. What runs in it reaches loopback, and
 * through a proxy the hosts that a test allows; no other name resolves. All that it started ends with it. Needs root.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Scope } from '../../src/base/io/scope.ts';
import { startProcess, untilServing } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { processTree } from '../../src/base/machine/process-table.ts';
import { OWN_ACCOUNT } from '../../src/setup/embedded/account.ts';
import { freePort } from './ports.ts';

const RELAY = fileURLToPath(new URL('relay.mjs', import.meta.url));
const START_TIMEOUT_MS = 20_000;

/** TCP port of the proxy inside of the namespace. */
export const PROXY_PORT = 3128;

/** Milliseconds after which a connection to an allowed host is given up. */
const CONNECT_TIMEOUT_MS = 20_000;

/** Highest number of a new account of the system, by vitest's number of this process: userdel refuses one that runs a process. */
const HIGHEST_ACCOUNT = 999 - 100 * Number(process.env.VITEST_POOL_ID ?? 0);

/**
 * Shell that makes it so that no `webui-tune up` has run as root here; for a namespace with overlays of /etc and /var/lib. The
 * account keeps its number, under another name, and a new one gets a number of its own: neither that of processes outside
 * nor that of a test that runs at the same time.
 */
export const NEVER_STARTED = [
  `sed -i '/SYS_UID_MAX/d; /SYS_GID_MAX/d' /etc/login.defs`,
  `printf 'SYS_UID_MAX %s\\nSYS_GID_MAX %s\\n' ${HIGHEST_ACCOUNT} ${HIGHEST_ACCOUNT} >>/etc/login.defs`,
  `sed -i 's/^${OWN_ACCOUNT}:/${OWN_ACCOUNT}-outside:/' /etc/passwd /etc/group /etc/shadow /etc/gshadow`,
  'rm -rf /var/lib/webui-tune /etc/systemd/system/pm2-*.service /etc/systemd/system/*.wants/pm2-*.service',
].join('; ');

/** Shell that lets each path be changed without a trace outside, for a mount namespace; the changes are kept in `folder`. */
export function overlayMounts(paths: readonly string[], folder: string): string[] {
  return paths.map((path, index) => {
    const [upper, work] = ['upper', 'work'].map((name) => join(folder, `${name}${index}`));
    for (const made of [upper, work]) mkdirSync(made as string);
    return `mount -t overlay overlay -o lowerdir=${path},upperdir=${upper},workdir=${work} ${path}`;
  });
}

export interface Network {
  /** The words before each command that is to run in it. */
  through: readonly string[];
  /** With which programs in it find the proxy. Empty where no host is allowed. */
  env: Readonly<Record<string, string>>;
  /** Every host that was asked for through the proxy, and whether it was let through. */
  asked: ReadonlyMap<string, 'allowed' | 'refused'>;
  /** Where the test reaches what listens on a port of `inside`. */
  urlOf(port: number): string;
}

export interface NetworkOptions {
  /** Hosts that the proxy lets through. */
  allow?: readonly string[];
  /** Ports of its own 127.0.0.1 that the test asks. */
  inside?: readonly number[];
  /** Ports of the test's 127.0.0.1 that what runs in it asks, under the same number. */
  outside?: readonly number[];
  /** Address in it where the ports of `outside` and the proxy are heard: networks of containers cannot ask its loopback. */
  heardOn?: string;
  /** Folders that can be changed in it without a trace outside. */
  overlays?: readonly string[];
  /** What is done in it first, in the words of a shell. */
  prepare?: string;
}

/** Hosts of pip's index and of npm's registry, as they are configured here, with those that their files are on. */
export function packageHosts(): string[] {
  const ask = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: 'utf8' });
  const configured = `${ask('python3', '-m', 'pip', 'config', 'list')}\n${Object.values(process.env).join('\n')}`;
  const indexes = [...configured.matchAll(/https?:\/\/[^\s'"]+\/simple/g)].map(([url]) => url);
  const registry = ask('npm', 'config', 'get', 'registry').trim();
  const urls = [registry, ...indexes, 'https://pypi.org', 'https://files.pythonhosted.org'];
  return [...new Set(urls.map((url) => new URL(url).hostname))];
}

export async function startNetwork(
  scope: Scope,
  {
    allow = [],
    inside = [],
    outside = [],
    heardOn = '127.0.0.1',
    overlays = [],
    prepare = 'true',
  }: NetworkOptions = {},
): Promise<Network> {
  const folder = await temporaryFolder(scope, 'network');
  const socket = (name: string | number) => join(folder, `${name}.sock`);
  const asked = new Map<string, 'allowed' | 'refused'>();
  if (allow.length > 0) await startProxy(scope, socket('proxy'), allow, asked);
  const heard = (port: number) => ({ host: heardOn, port });
  const proxy = allow.length > 0 ? [{ listen: heard(PROXY_PORT), connect: socket('proxy') }] : [];
  // A connection is passed on to what listens already: outside first for what leaves the namespace.
  if (outside.length > 0) {
    const forwards = outside.map((port) => ({ listen: socket(port), connect: port }));
    await startRelay(scope, folder, [], forwards);
  }
  const empty = join(folder, 'empty');
  writeFileSync(empty, '');
  const mounts = overlayMounts(overlays, folder);
  // Names of the machine's own hosts file go on to resolve; all others have nobody to ask.
  const nameless = `mount --bind ${empty} "$(readlink -f /etc/resolv.conf)"`;
  // The shell stays: it is the init of its processes, and buries those whose parent has left.
  const script = ['set -e', 'ip link set lo up', ...mounts, nameless, prepare, '"$@" & wait $!'].join('; ');
  const unshare = ['/usr/bin/unshare', '--net', '--mount', '--pid', '--fork', '--mount-proc', '--kill-child'];
  const outer = await startRelay(
    scope,
    folder,
    [...unshare, 'sh', '-c', script, 'sh'],
    [
      ...inside.map((port) => ({ listen: socket(port), connect: port })),
      ...outside.map((port) => ({ listen: heard(port), connect: socket(port) })),
      ...proxy,
    ],
  );
  const ports = new Map<number, number>();
  for (const port of inside) ports.set(port, await freePort());
  if (inside.length > 0) {
    const forwards = inside.map((port) => ({ listen: ports.get(port) ?? 0, connect: socket(port) }));
    await startRelay(scope, folder, [], forwards);
  }
  const init = processTree(outer).find(({ ppid }) => ppid === outer);
  if (!init) throw new Error('the namespace has ended');
  const address = `http://127.0.0.1:${PROXY_PORT}`;
  return {
    through: ['/usr/bin/nsenter', `--target=${init.pid}`, '--net', '--mount', '--pid', '--'],
    env:
      allow.length > 0 ? { HTTPS_PROXY: address, HTTP_PROXY: address, NO_PROXY: '127.0.0.1,localhost' } : {},
    asked,
    urlOf: (port) => `http://127.0.0.1:${ports.get(port)}`,
  };
}

/**
 * The words with which an ordinary user runs a command in the network: with root's files, and without root's rights. All
 * commands are of one user namespace, so that each sees the processes of the others.
 */
export async function asNobody(scope: Scope, { through }: Network): Promise<readonly string[]> {
  const log = join(await temporaryFolder(scope, 'nobody'), 'log');
  const [program = '', ...words] = through;
  const unshare = ['/usr/bin/unshare', '--user', '--map-user=65534', '--map-group=65534', '--'];
  const { pid } = await startProcess(scope, program, [...words, ...unshare, 'sleep', 'infinity'], { log });
  const holder = await until(() => processTree(pid).find(({ name }) => name === 'sleep'), {
    what: 'the ordinary user is there',
    timeoutMs: START_TIMEOUT_MS,
  });
  const target = `--target=${holder.pid}`;
  return [
    ...['/usr/bin/nsenter', target, '--user', '--preserve-credentials', '--net', '--mount', '--pid', '--'],
  ];
}

/** What relay.mjs takes. */
type Place = string | number | { host: string; port: number };

let relays = 0;

async function startRelay(
  scope: Scope,
  folder: string,
  through: readonly string[],
  forwards: readonly { listen: Place; connect: Place }[],
): Promise<number> {
  const [command = '', ...words] = [...through, process.execPath, RELAY, JSON.stringify(forwards)];
  const log = join(folder, `relay-${relays++}.log`);
  // A shell that is an init ignores what asks it to end.
  const relay = await startProcess(scope, command, words, { log, endSignal: 'SIGKILL' });
  await untilServing(relay, () => readFileSync(log, 'utf8').includes('ready'), {
    what: 'connections are passed on',
    timeoutMs: START_TIMEOUT_MS,
  });
  return relay.pid;
}

/** An HTTP proxy on a UNIX socket, which knows CONNECT alone. */
async function startProxy(
  scope: Scope,
  path: string,
  allow: readonly string[],
  asked: Map<string, 'allowed' | 'refused'>,
): Promise<void> {
  const server = createServer((_, response) => response.writeHead(403).end());
  const open = new Set<Socket>();
  server.on('connect', (request: IncomingMessage, client: Socket, head: Buffer) => {
    const [host = '', port = '443'] = (request.url ?? '').split(':');
    const isAllowed = allow.includes(host);
    asked.set(host, isAllowed ? 'allowed' : 'refused');
    client.on('error', () => {});
    if (!isAllowed) {
      client.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    const upstream = createConnection({ host, port: Number(port) });
    for (const one of [client, upstream]) {
      open.add(one);
      one.once('close', () => open.delete(one));
    }
    upstream.setTimeout(CONNECT_TIMEOUT_MS, () => upstream.destroy());
    upstream.once('connect', () => {
      upstream.setTimeout(0);
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      if (head.length > 0) upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  scope.defer('proxy', () => {
    for (const one of open) one.destroy();
    server.close();
  });
}
