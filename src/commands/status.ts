import { dirname } from 'node:path';
import { EXIT, type ExitCode } from '../base/errors.ts';
import { addressOf, isReady } from '../base/io/address.ts';
import type { Terminal } from '../base/io/terminal.ts';
import { formatBytes } from '../base/units.ts';
import { SERVICE_APPS } from '../facts/embedded/apps.ts';
import { alignReport } from '../render/report.ts';
import { APPS } from '../runtime/contract.ts';
import { missingModels, readModelsState } from '../runtime/models-state.ts';
import type { Pm2Process } from '../setup/pm2/client.ts';
import { Setup } from '../setup/up/setup.ts';

const OURS: readonly string[] = [
  SERVICE_APPS.postgres,
  SERVICE_APPS.valkey,
  APPS.preload,
  APPS.cluster,
  APPS.metrics,
];

/** Shows what runs and where everything is. Exit code 0 where it serves. */
export async function showStatus(_: object, { out, err, colors }: Terminal): Promise<ExitCode> {
  const setup = new Setup({});
  if (!setup.remembered.planned) {
    err('nothing is set up yet: webui-tune up\n');
    return EXIT.service;
  }
  const [processes, { plan }] = await Promise.all([setup.processes(), setup.tuned()]);
  const serves = await isReady(plan);
  const rows = [
    [addressOf(plan), serves ? 'serves' : 'does not serve', `Open WebUI ${plan.openWebui.version}`],
    ...OURS.flatMap((name) => processes.filter((app) => app.name === name).map(rowOf)),
  ];
  const places = [
    ['data', plan.places.dataDir],
    ...(plan.embedded ? [['services', setup.services]] : []),
    ['secrets', plan.places.secretsFile],
    ['ecosystem file', setup.ecosystemFile],
  ];
  for (const block of [rows, places]) {
    const lines = alignReport(block.map((cells) => ({ kind: 'row', cells })));
    out(`${lines.map((line) => line.trim()).join('\n')}\n`);
  }
  for (const line of linesOfMissing(plan.places.controlSocket)) out(`${colors.yellow('missing:')} ${line}\n`);
  if (!serves) err(`${colors.yellow('it does not serve:')} webui-tune up\n`);
  return serves ? EXIT.ok : EXIT.service;
}

/** The models that workers lack, as the preload process says in the folder of its socket; none where it never ran. */
export function linesOfMissing(controlSocket: string): string[] {
  const state = readModelsState(dirname(controlSocket));
  return state ? missingModels(state) : [];
}

/** PM2 shows the memory with the shared pages; the workers say how much is their own. */
function rowOf({ name, pm_id, pm2_env, monit }: Pm2Process): string[] {
  const own = pm2_env.axm_monitor['Private memory']?.value;
  const memory = own === undefined ? formatBytes(monit?.memory ?? 0) : `${String(own)} MiB of its own`;
  const restarts = pm2_env.restart_time > 0 ? `, restarted ${pm2_env.restart_time} times` : '';
  return [
    `${name} (${pm_id})`,
    pm2_env.status,
    pm2_env.status === 'online' ? `${memory}${restarts}` : restarts,
  ];
}
