import { dirname } from 'node:path';
import { EXIT, type ExitCode } from '../base/errors.ts';
import { addressOf, isReady } from '../base/io/address.ts';
import { freeBytes } from '../base/io/disk-space.ts';
import { statOrUndefined } from '../base/io/stat.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { formatBytes } from '../base/units.ts';
import { SERVICE_APPS } from '../facts/embedded/apps.ts';
import { alignReport } from '../render/report.ts';
import { WHEN } from '../runtime/backups/due.ts';
import { type BackupState, backupStatePath, lastGood, readBackupState } from '../runtime/backups/state.ts';
import { APPS, MONITOR } from '../runtime/contract.ts';
import { missingModels, readModelsState } from '../runtime/models-state.ts';
import { readInForce, type ScaleTold } from '../runtime/scale/told.ts';
import { Journal, unfinishedLine } from '../setup/journal/journal.ts';
import type { Pm2Process } from '../setup/pm2/client.ts';
import { Setup } from '../setup/up/setup.ts';

const OURS: readonly string[] = [
  SERVICE_APPS.postgres,
  SERVICE_APPS.valkey,
  APPS.preload,
  APPS.cluster,
  APPS.scale,
  APPS.metrics,
];

/** Shows what runs and where everything is. Exit code 0 if Open WebUI serves. */
export async function showStatus(_: object, { out, err, colors }: Terminal): Promise<ExitCode> {
  const setup = new Setup({});
  if (!setup.remembered.planned) {
    err('nothing is set up yet: webui-tune up\n');
    return EXIT.service;
  }
  const unfinished = unfinishedLine(new Journal(setup.folder));
  if (unfinished !== undefined) out(`${colors.yellow('unfinished:')} ${unfinished}: webui-tune resume\n`);
  const [processes, { plan }] = await Promise.all([setup.processes(), setup.tuned()]);
  const serves = await isReady(plan);
  const rows = [
    [addressOf(plan), serves ? 'serves' : 'does not serve', `Open WebUI ${plan.openWebui.version}`],
    ...OURS.flatMap((name) => processes.filter((app) => app.name === name).map(rowOf)),
  ];
  const backups = readBackupState(backupStatePath(setup.folder));
  const places = [
    ...scaleRows(readInForce(dirname(plan.places.controlSocket))),
    ['data', plan.places.dataDir],
    ...(plan.embedded ? [['services', setup.services]] : []),
    ['secrets', plan.places.secretsFile],
    ['ecosystem file', setup.ecosystemFile],
    ...backupRows(backups),
  ];
  for (const block of [rows, places]) {
    const lines = alignReport(block.map((cells) => ({ kind: 'row', cells })));
    out(`${lines.map((line) => line.trim()).join('\n')}\n`);
  }
  const failed = failureLine(backups);
  if (failed !== undefined) out(`${colors.yellow('backup:')} ${failed}\n`);
  for (const line of linesOfMissing(plan.places.controlSocket)) out(`${colors.yellow('missing:')} ${line}\n`);
  if (!serves) err(`${colors.yellow('it does not serve:')} webui-tune up\n`);
  return serves ? EXIT.ok : EXIT.service;
}

/** Within which range workers come and go, and the last change; nothing where their number is fixed. */
function scaleRows(scale: ScaleTold | undefined): string[][] {
  if (!scale) return [];
  const last = scale.changes.at(-1);
  const said = last && `${new Date(last.at).toISOString()}: ${last.from} → ${last.to}, ${last.detail}`;
  return [['workers', `${scale.least} to ${scale.most}, as the load asks for`, said ?? 'no change yet']];
}

function backupRows(state: BackupState | undefined): string[][] {
  if (state?.schedule === undefined) return [['backups', 'none by themselves: webui-tune backup --schedule']];
  const last = lastGood(state);
  const said = last
    ? `the last ${last.at}, ${formatBytes(last.bytes)} in ${last.seconds} s; ${state.made.length} kept`
    : 'none yet';
  const free = statOrUndefined(state.folder) ? `, ${formatBytes(freeBytes(state.folder))} free` : '';
  return [['backups', state.folder, `${WHEN[state.schedule]}; ${said}${free}`]];
}

function failureLine(state: BackupState | undefined): string | undefined {
  if (state?.schedule === undefined || !state.failure) return undefined;
  const { at, reason, busy } = state.failure;
  return busy ? `waits since ${at}: ${reason}` : `the last attempt, at ${at}, failed: ${reason}`;
}

/** The models that workers lack, as the preload process reports beside its socket; none if it never ran. */
export function linesOfMissing(controlSocket: string): string[] {
  const state = readModelsState(dirname(controlSocket));
  return state ? missingModels(state) : [];
}

/** PM2 counts shared pages too; the workers report how much memory is their own. */
function rowOf({ name, pm_id, pm2_env, monit }: Pm2Process): string[] {
  const own = pm2_env.axm_monitor[MONITOR.privateMemory]?.value;
  const memory = own === undefined ? formatBytes(monit?.memory ?? 0) : `${String(own)} MiB of its own`;
  const restarts = pm2_env.restart_time > 0 ? `, restarted ${pm2_env.restart_time} times` : '';
  return [
    `${name} (${pm_id})`,
    pm2_env.status,
    pm2_env.status === 'online' ? `${memory}${restarts}` : restarts,
  ];
}
