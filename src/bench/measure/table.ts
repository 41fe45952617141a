import { formatBytes, plural } from '../../base/units.ts';
import type { Plan } from '../../plan/types.ts';
import type { KeptMeasurement } from '../../tune/measurements/kept.ts';

/** The answer of `webui-tune measure`, as plain text. */
export function renderMeasurement(measurement: KeptMeasurement): string {
  const { conditions, at, seconds, workers, connections, notes } = measurement;
  const { openWebui, python, preset, level, embedsLocally } = conditions;
  const rows: [string, string, string][] = [
    ['preload', formatBytes(measurement.base), `once: level ${level}, and all else that is shared`],
    [
      'worker',
      formatBytes(measurement.worker),
      `private memory after chats, an upload and API calls; ${formatBytes(measurement.workerIdle)} before`,
    ],
    ['supervisor', formatBytes(measurement.supervisor), 'private memory, one a worker'],
    ['all of it', formatBytes(measurement.tree), `with ${plural(workers, 'worker')}`],
    [
      'boot',
      `${measurement.bootSeconds} s`,
      `until all serve; ${measurement.firstBootSeconds} s on an empty database`,
    ],
    ['fork', `${Math.round(measurement.forkMs)} ms`, 'until a forked worker serves'],
    ['API call', `${measurement.cpuMs} ms`, 'of a worker’s CPU'],
    ...(connections === null
      ? []
      : [
          ['connections', String(connections), 'to PostgreSQL a worker, while 12 clients ask'] as [
            string,
            string,
            string,
          ],
        ]),
  ];
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return [
    `Open WebUI ${openWebui}, Python ${python}, preset ${preset}, ${embedsLocally ? 'a local embedding model' : 'remote embeddings'}: measured on this machine on ${at.slice(0, 10)}, in ${Math.round(seconds)} s`,
    ...rows.map(
      ([name, value, what]) => `  ${name.padEnd(widths[0] ?? 0)}  ${value.padStart(widths[1] ?? 0)}  ${what}`,
    ),
    ...notes.map((note) => `  ${note}`),
    '',
  ].join('\n');
}

/** What `--dry-run` prints. */
export function renderSteps(plan: Plan, workers: number, folder: string): string {
  const { openWebui, places, preset } = plan;
  return [
    `measure Open WebUI ${openWebui.version} (${places.python}) with your settings and the preset ${preset}:`,
    '  start its own empty servers and a fake language model, in a temporary folder',
    `  start the preload process and ${plural(workers, 'worker')} twice: first on an empty database, then on the migrated one`,
    '  measure them idle, after chats, an upload and API calls, and under load: one to three minutes in all',
    `  end all of them, and save the figures in ${folder}`,
    '',
  ].join('\n');
}
