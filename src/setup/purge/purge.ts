import { existsSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { basename, join, sep } from 'node:path';
import { EXIT, TuneError } from '../../base/errors.ts';
import { LOOPBACK } from '../../base/io/address.ts';
import { findOnPath } from '../../base/io/path.ts';
import { isListening } from '../../base/io/port.ts';
import { runProgram } from '../../base/io/run.ts';
import { until } from '../../base/io/wait.ts';
import { processesIn, processesWith } from '../../base/machine/processes.ts';
import { SERVICE_APPS } from '../../facts/embedded/apps.ts';
import { servicePaths } from '../../facts/embedded/folder.ts';
import type { Installed } from '../../facts/embedded/installed.ts';
import { APPS } from '../../runtime/contract.ts';
import { dropSecrets, SECRETS_NAME } from '../../tune/secrets/secrets-file.ts';
import { releaseAccount } from '../embedded/release-account.ts';
import { commandForRoot, findBootScript } from '../pm2/boot-script.ts';
import type { Pm2 } from '../pm2/client.ts';
import type { Setup } from '../up/setup.ts';
import { type PurgeList, STATE_NAME } from './purge-list.ts';

/** Milliseconds that servers get which somebody has stopped already: more than PM2 gives them (render/apps.ts). */
const STOP_TIMEOUT = 90_000;

/**
 * Removes everything in `list` once nothing of it runs: its apps in PM2, folders, services with their account, and the
 * state file last, so that a rerun resumes what was interrupted. Returns the list. Throws TuneError.
 */
export async function purge(setup: Setup, list: PurgeList, tell: (text: string) => void): Promise<PurgeList> {
  const { installed, ownDataDir, left } = list;
  await untilStopped(setup, list);
  await leavePm2(setup, tell);
  if (installed && ownDataDir !== undefined) dropEmbeddedUrls(join(ownDataDir, SECRETS_NAME), installed);
  const state = servicePaths(setup.services).state;
  for (const folder of list.folders) {
    removeExcept(folder, [...left, state]);
    if (!existsSync(folder)) tell(`removed: ${folder}`);
  }
  if (installed) {
    const word = await releaseAccount(setup.services, installed, setup.env);
    if (word !== undefined) tell(word);
  }
  rmSync(state, { force: true });
  for (const folder of list.parents) removeIfEmpty(folder);
  rmSync(join(setup.folder, STATE_NAME), { force: true });
  removeIfEmpty(setup.folder);
  return list;
}

/**
 * A server must not lose its data while it is still shutting down, as after an interrupted run, or while PM2
 * has lost track of it. Throws TuneError.
 */
async function untilStopped({ services }: Setup, { controlSocket, installed }: PurgeList): Promise<void> {
  const running = () => [...processesIn('/', services), ...processesWith('/', controlSocket)];
  await until(() => running().length === 0, {
    what: 'the end',
    timeoutMs: STOP_TIMEOUT,
    intervalMs: 100,
  }).catch(() => {
    const names = running().map(({ pid, command }) => `${pid} (${command[0] ?? '?'})`);
    throw stillRuns(`process ${names.join(', ')}`);
  });
  // Where there is no /proc to look into.
  for (const port of installed ? [installed.postgresPort, installed.valkeyPort] : []) {
    if (await isListening(LOOPBACK, port)) throw stillRuns(`whatever listens on ${LOOPBACK}:${port}`);
  }
}

function stillRuns(what: string): TuneError {
  return new TuneError(`${what} still runs, and PM2 does not stop it: nothing was deleted`, EXIT.service, [
    'stop it; then run webui-tune down --purge again',
  ]);
}

/** PM2's logs, boot script, daemon and folder, as far as nothing else uses them. */
async function leavePm2(setup: Setup, tell: (text: string) => void): Promise<void> {
  const pm2 = setup.plainPm2();
  const { made, startup } = setup.remembered;
  const others = (await pm2.list()).map(({ name }) => name);
  removeLogs(pm2);
  if (others.length > 0) {
    tell(`PM2 stays, with its boot script where it has one: it runs ${[...new Set(others)].join(', ')}`);
    if (startup) await pm2.run('save', '--force');
    return;
  }
  if (made?.bootScript) await removeBootScript(setup, pm2, tell);
  await pm2.kill();
  rmSync(join(pm2.home, 'dump.pm2'), { force: true });
  rmSync(join(pm2.home, 'dump.pm2.bak'), { force: true });
  if (!made?.pm2Home || !existsSync(pm2.home)) return;
  rmSync(pm2.home, { recursive: true, force: true });
  tell(`removed: PM2’s daemon and ${pm2.home}`);
}

function removeLogs({ home }: Pm2): void {
  const logs = join(home, 'logs');
  if (!existsSync(logs)) return;
  const ours = [...Object.values(APPS), ...Object.values(SERVICE_APPS)].map((name) => `${name}-`);
  for (const name of readdirSync(logs)) {
    if (ours.some((start) => name.startsWith(start))) rmSync(join(logs, name), { force: true });
  }
}

async function removeBootScript(setup: Setup, pm2: Pm2, tell: (text: string) => void): Promise<void> {
  const find = () => findBootScript(pm2.home, setup.home)?.path;
  const path = find();
  if (path === undefined) return;
  if (process.getuid?.() !== 0) {
    const { output } = await pm2.attempt('unstartup');
    const command = commandForRoot(output) ?? 'pm2 unstartup';
    tell(`left: PM2’s boot script ${path}, which root alone can remove: ${command}`);
    return;
  }
  await pm2.attempt('unstartup', '-u', userInfo().username);
  // PM2 stops where systemd does not run, as in a container.
  if (find() !== undefined) {
    const systemctl = findOnPath('systemctl', setup.env.PATH ?? '');
    if (systemctl !== undefined) await runProgram(systemctl, ['disable', basename(path)], { env: setup.env });
    rmSync(path, { force: true });
  }
  tell(`removed: PM2’s boot script ${path}`);
}

function dropEmbeddedUrls(secretsFile: string, { postgresPort, valkeyPort }: Installed): void {
  dropSecrets(secretsFile, {
    DATABASE_URL: `@${LOOPBACK}:${postgresPort}/`,
    REDIS_URL: `@${LOOPBACK}:${valkeyPort}/`,
  });
}

/** Removes a folder or a file, except for the paths in `kept` and what is below them. */
function removeExcept(path: string, kept: readonly string[]): void {
  if (kept.includes(path)) return;
  if (!kept.some((one) => one.startsWith(path + sep))) {
    rmSync(path, { recursive: true, force: true, maxRetries: 3 });
    return;
  }
  for (const name of readdirSync(path)) removeExcept(join(path, name), kept);
  removeIfEmpty(path);
}

function removeIfEmpty(folder: string): void {
  if (existsSync(folder) && statSync(folder).isDirectory() && readdirSync(folder).length === 0)
    rmdirSync(folder);
}
