/** What the rule by which workers come and go gets to see. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../../src/base/io/wait.ts';
import { Looker, unsettledOf, waitingOn } from '../../../src/runtime/scale/look.ts';
import { pm2Manager } from '../../../src/runtime/scale/manager-pm2.ts';
import { systemdManager } from '../../../src/runtime/scale/manager-systemd.ts';
import { readTold, toldPath, withChange, writeTold } from '../../../src/runtime/scale/told.ts';
import { encode, type Frame } from '../../../src/runtime/supervisor/frames.ts';
import { socketName } from '../../../src/runtime/supervisor/report.ts';
import { freePort } from '../../kit/ports.ts';
import { SCALE } from '../../kit/samples.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const worker = (changes: Frame = {}): Frame => ({
  pid: process.pid,
  phase: 'serving',
  hangs: false,
  generation: 'a1',
  generating: 3,
  sockets: 5,
  lag: 12,
  ...changes,
});

const report = (changes: Frame = {}): Frame => ({ pid: 1, linked: 'a1', workers: [worker()], ...changes });

const answer = (instance: string, frame: Frame | undefined) => ({
  instance,
  pid: Number(instance) + 1,
  frame,
});

describe('what is not settled', () => {
  it('is nothing where each instance has one worker of the present generation', () =>
    expect(unsettledOf([answer('0', report()), answer('1', report())])).toBeUndefined());

  it.each<[string, Parameters<typeof unsettledOf>[0], RegExp]>([
    ['nobody runs', [], /no supervisor runs/],
    ['a reload has two of one instance', [answer('0', report()), answer('0', report())], /reload/],
    ['a supervisor says nothing', [answer('0', undefined)], /does not answer/],
    ['there is no preload process', [answer('0', report({ linked: undefined }))], /preload process/],
    ['the preload process is new', [answer('0', report({ linked: 'b2' }))], /earlier generation/],
    [
      'there is no worker',
      [answer('0', report({ workers: [] }))],
      /instance 0 replaces its worker, or waits/,
    ],
    ['a worker is replaced', [answer('0', report({ workers: [worker(), worker()] }))], /replaces its worker/],
    ['a worker starts', [answer('0', report({ workers: [worker({ phase: 'booting' })] }))], /does not serve/],
    [
      'a worker drains',
      [answer('0', report({ workers: [worker({ phase: 'draining' })] }))],
      /does not serve/,
    ],
    ['a worker hangs', [answer('0', report({ workers: [worker({ hangs: true })] }))], /does not serve/],
  ])('%s', (_, answers, expected) => expect(unsettledOf(answers)).toMatch(expected));
});

const servers: Server[] = [];
const clients: Socket[] = [];
const programs: ChildProcess[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  for (const program of programs.splice(0)) program.kill('SIGKILL');
  for (const server of servers.splice(0)) server.close();
});

describe('connections that wait', () => {
  it('are counted in the kernel’s table of the port', () => {
    const line = (local: string, state: string, queue: string) =>
      `   0: 0100007F:${local} 00000000:0000 ${state} 00000000:${queue} 00:00000000 00000000     0        0 1 1`;
    const root = temporaryFolder({
      'proc/net/tcp': `  sl  local_address\n${line('1F90', '0A', '0000000C')}\n${line('1F91', '0A', '00000003')}\n${line('1F90', '01', '00000009')}\n`,
      'proc/net/tcp6': `  sl  local_address\n${line('1F90', '0A', '00000002')}\n`,
    });
    expect(waitingOn(8080, root)).toBe(14);
    expect(waitingOn(80, root)).toBe(0);
  });
});

/** A supervisor in this process. */
async function supervisor(folder: string, say: () => Frame): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => socket.end(encode(say())));
  });
  servers.push(server);
  server.listen(join(folder, socketName('0', process.pid)));
  await once(server, 'listening');
}

/** The port of a program that listens and accepts nothing, with so many connections that wait. */
async function listener(waiting: number): Promise<number> {
  const program = spawn('python3', ['-c', LISTENER], { stdio: ['ignore', 'pipe', 'inherit'] });
  programs.push(program);
  const [told] = (await once(program.stdout, 'data')) as [Buffer];
  const port = Number(told.toString());
  for (let one = 0; one < waiting; one++) {
    const client = connect(port, '127.0.0.1');
    clients.push(client);
    await once(client, 'connect');
  }
  return port;
}

const LISTENER = `
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
time.sleep(60)
`;

describe('a look', () => {
  it('says what each worker does, how busy its event loop is, and what is free', async () => {
    const folder = temporaryFolder();
    await supervisor(folder, report);
    const looker = new Looker({ folder, port: await freePort(), workerBytes: 1 });
    const first = await looker.look();
    expect(first.serving).toMatchObject([
      { instance: '0', pid: process.pid, worker: process.pid, generating: 3, sockets: 5 },
    ]);
    // There was no look before.
    expect(first.look).toMatchObject({
      workers: [{ busy: 0, lag: 12, generating: 3 }],
      waiting: 0,
      hasRoom: true,
    });
    // This process is the worker, and it works.
    const before = process.cpuUsage();
    let spent = 0;
    while (spent < 200_000) spent = process.cpuUsage(before).user;
    const { look } = await looker.look();
    expect(look.workers[0]?.busy).toBeGreaterThan(0);
    expect(look.workers[0]?.busy).toBeLessThanOrEqual(1);
  });

  it('looks for connections that wait, and for memory, only where a worker is busy', async () => {
    const folder = temporaryFolder();
    let lag = 0;
    await supervisor(folder, () => report({ workers: [worker({ lag })] }));
    const looker = new Looker({ folder, port: await listener(3), workerBytes: Number.MAX_SAFE_INTEGER });
    expect((await looker.look()).look).toMatchObject({ waiting: 0, hasRoom: true });
    lag = 500;
    expect((await looker.look()).look).toMatchObject({ waiting: 3, hasRoom: false });
  });
});

const serving = (instance: string, generating: number, sockets: number) => ({
  instance,
  pid: 1,
  worker: 1,
  lag: 0,
  generating,
  sockets,
});

describe('who leaves', () => {
  const all = [serving('1', 2, 0), serving('2', 0, 7), serving('10', 0, 9)];

  it('is under PM2 the worker that has the least to do', () =>
    expect(pm2Manager({}, () => undefined).leaving(all)?.instance).toBe('2'));

  it('is under systemd the last one, by the number that root reads', async () => {
    const folder = temporaryFolder();
    const manager = systemdManager(folder);
    const which = manager.leaving(all);
    expect(which?.instance).toBe('10');
    if (which) await manager.shrink(all, which);
    expect(readFileSync(join(folder, 'workers'), 'utf8')).toBe('2\n');
    await manager.grow(all);
    expect(readFileSync(join(folder, 'workers'), 'utf8')).toBe('4\n');
  });
});

describe('PM2', () => {
  /** A PM2 that prints `list`, and keeps what it was asked for. */
  function imitated(list: object[]) {
    const folder = temporaryFolder({
      pm2: `#!/bin/sh\n[ "$1" = jlist ] && cat "$0.list" || echo "$*" >> "$0.asked"\n`,
      'pm2.list': `[PM2] hello\n${JSON.stringify(list)}\n`,
      'pm2.asked': '',
    });
    execFileSync('chmod', ['+x', join(folder, 'pm2')]);
    const env = { PATH: `${folder}:${process.env.PATH}`, HOME: folder, PM2_HOME: folder };
    const complaints: string[] = [];
    const asked = () => readFileSync(join(folder, 'pm2.asked'), 'utf8').trim();
    return { manager: pm2Manager(env, (text) => complaints.push(text)), complaints, asked, folder };
  }

  const online = (pm_id: number | string, pid: number, status = 'online') => ({
    name: 'open-webui',
    pid,
    pm_id,
    pm2_env: { status },
  });
  const others = { name: 'open-webui-preload', pid: 9, pm_id: 0, pm2_env: { status: 'online' } };
  const both = [
    { ...serving('0', 0, 0), pid: 11 },
    { ...serving('1', 0, 0), pid: 12 },
  ];

  it('is asked for one more, and to delete a certain one', async () => {
    const { manager, asked, complaints } = imitated([others, online(4, 11), online(7, 12)]);
    expect(await manager.grow(both)).toBeUndefined();
    expect(manager.underWay()).toContain('pm2 scale open-webui +1');
    await until(() => manager.underWay() === undefined, { what: 'PM2 is done', timeoutMs: 10_000 });
    const [, second] = both;
    if (second) expect(await manager.shrink(both, second)).toBeUndefined();
    await until(() => manager.underWay() === undefined, { what: 'PM2 is done', timeoutMs: 10_000 });
    expect(asked().split('\n')).toEqual(['scale open-webui +1', 'delete 7']);
    expect(complaints).toEqual([]);
  });

  it.each<[string, object[], RegExp]>([
    ['during a reload', [online(4, 11), online('_old_4', 10), online(7, 12)], /instance that is online/],
    ['while one drains', [online(4, 11, 'stopping'), online(7, 12)], /stopping/],
    ['while one is stopped', [online(4, 11), online(7, 12), online(8, 0, 'stopped')], /stopped/],
    ['while its list is another than ours', [online(4, 11), online(7, 13)], /2 instances, and 2 serve/],
  ])('is asked for nothing %s', async (_, list, reason) => {
    const { manager, asked } = imitated([others, ...list]);
    expect(await manager.grow(both)).toMatch(reason);
    expect(asked()).toBe('');
  });

  it('is asked for nothing while it says that a reload is under way', async () => {
    const { manager, asked, folder } = imitated([online(4, 11), online(7, 12)]);
    writeFileSync(join(folder, 'reload.lock'), `${Date.now()}`);
    expect(await manager.grow(both)).toBe('pm2 reload is under way');
    expect(asked()).toBe('');
    writeFileSync(join(folder, 'reload.lock'), '');
    expect(await manager.grow(both)).toBeUndefined();
  });
});

describe('what people are told', () => {
  it('outlives the process that decides', () => {
    const folder = temporaryFolder();
    expect(readTold(folder)).toBeUndefined();
    writeTold(folder, SCALE);
    expect(readTold(folder)).toEqual(SCALE);
  });

  it('is nothing where the file is damaged', () => {
    const folder = temporaryFolder({ 'scale.json': '{' });
    expect(toldPath(folder)).toBe(join(folder, 'scale.json'));
    expect(readTold(folder)).toBeUndefined();
  });

  it('counts all changes, and keeps the last twenty', () => {
    let told = SCALE;
    for (let at = 0; at < 30; at++)
      told = withChange(told, { at, from: 1, to: 2, cause: 'busy', detail: 'd' });
    expect(told.counts).toEqual({ busy: 32, calm: 1 });
    expect(told.changes).toHaveLength(20);
    expect(told.changes.at(-1)?.at).toBe(29);
    expect(
      withChange({ ...told, holding: 'x' }, { at: 0, from: 2, to: 1, cause: 'calm', detail: 'd' }),
    ).not.toHaveProperty('holding');
  });
});
