import { EXIT, TuneError } from '../../base/errors.ts';
import { formatBytes, MIB, plural } from '../../base/units.ts';
import { bytesForTree } from '../../plan/memory.ts';
import type { Places } from '../../plan/places.ts';
import type { Plan } from '../../plan/types.ts';
import { APPS, EXIT_CANNOT_BOOT, RUNTIME_FILES } from '../../runtime/contract.ts';
import { appsOf } from '../apps.ts';
import { SYSTEMD_HEADER } from '../first-lines.ts';
import { hardening } from './hardening.ts';
import { SCALE_UNITS, scaleUnits } from './scale.ts';
import { commandWord, environmentLine, type Line, renderUnit, type Unit } from './unit.ts';

/** Names of the units. */
export const UNITS = {
  target: 'open-webui.target',
  preload: 'open-webui-preload.service',
  worker: 'open-webui@.service',
  metrics: 'open-webui-metrics.service',
  ...SCALE_UNITS,
} as const;

/** Folders that systemd makes and manages for the units. */
const RUN = 'open-webui';
const RUN_FOLDER = `/run/${RUN}`;
const CONTROL_SOCKET = `${RUN_FOLDER}/control.sock`;
const STATIC_CACHE = `/var/cache/${RUN}`;

/** Seconds without a sign of life from a supervisor's event loop after which systemd kills it; its worker then drains. */
const WATCHDOG = 60;

/** Seconds for a start: a migration may take long, and a database may be down. */
const START_TIMEOUT = 600;

/** Seconds beyond the drain time. */
const STOP_MARGIN = 15;

/** Seconds that the preload process has to end: it may be in the middle of a migration. */
const PRELOAD_STOP_TIMEOUT = 30;

/** What the units need from this machine in addition to the plan. */
export interface SystemdOptions {
  /** Path of Node. */
  node: string;
  /** User that the services run as: the owner of the data folder. */
  user: string;
}

export interface UnitFile {
  name: string;
  text: string;
}

/**
 * The units: a target, the preload process, a template whose instances are the workers, what starts and stops these with a
 * range, and the metrics server if it is requested. Pure. Throws TuneError for apps that only PM2 runs.
 */
export function renderUnits(plan: Plan, options: SystemdOptions): UnitFile[] {
  const units: unknown[] = [APPS.preload, APPS.cluster, APPS.scale, APPS.metrics];
  const others = appsOf(plan).filter(({ name }) => !units.includes(name));
  if (plan.runtime === 'uvicorn' || others.length > 0) {
    const what = plan.runtime === 'uvicorn' ? '--runtime uvicorn' : others.map(({ name }) => name).join(', ');
    throw new TuneError(
      `--format systemd has units only for the copy-on-write cluster, not for ${what}`,
      EXIT.usage,
      ['use PM2’s ecosystem file (omit --format), or your distribution’s own services'],
    );
  }
  const places: Places = { ...plan.places, controlSocket: CONTROL_SOCKET, staticCache: STATIC_CACHE };
  const inside = { ...plan, places };
  return [
    targetUnit(inside),
    preloadUnit(inside, options),
    workerUnit(inside, options),
    ...scaleUnits(inside, {
      header: HEADER,
      target: UNITS.target,
      preload: UNITS.preload,
      runFolder: RUN_FOLDER,
      node: options.node,
      common: (script, program) => commonLines(options.user, places, script, program),
      environment: inside.leastWorkers === undefined ? [] : environmentOf(inside, APPS.scale),
    }),
    ...(plan.metricsPort === undefined ? [] : [metricsUnit(inside, plan.metricsPort, options)]),
  ].map((unit) => ({ name: unit.name, text: renderUnit(unit) }));
}

const HEADER = [SYSTEMD_HEADER.slice(2), ''];

function targetUnit({ workers, leastWorkers, metricsPort }: Plan): Unit {
  const isFixed = leastWorkers === undefined;
  const instances = Array.from(
    { length: leastWorkers ?? workers },
    (_, index) => `open-webui@${index + 1}.service`,
  );
  const range = isFixed ? '' : `${leastWorkers} to `;
  return {
    name: UNITS.target,
    about: [
      ...HEADER,
      'systemctl start open-webui.target               starts the preload process and its workers',
      'systemctl reload "open-webui@*"                 replaces the workers, without losing a request',
      'systemctl restart open-webui-preload            after a change of the env file; the workers follow',
      ...(isFixed
        ? ['systemctl start open-webui@9                    adds a worker until the next start']
        : []),
      '',
      'Checked with systemd-analyze verify and security; see docs/systemd.md.',
    ],
    sections: [
      {
        name: 'Unit',
        lines: [
          { key: 'Description', value: `Open WebUI with ${range}${plural(workers, 'worker')}` },
          {
            key: 'Wants',
            value: [
              UNITS.preload,
              ...instances,
              ...(isFixed ? [] : [UNITS.scale, UNITS.path]),
              ...(metricsPort === undefined ? [] : [UNITS.metrics]),
            ].join(' '),
          },
        ],
      },
      { name: 'Install', lines: [{ key: 'WantedBy', value: 'multi-user.target' }] },
    ],
  };
}

function preloadUnit(plan: Plan, { user }: SystemdOptions): Unit {
  const { places, memory } = plan;
  const most = bytesForTree(memory);
  return {
    name: UNITS.preload,
    about: [...HEADER, 'Imports Open WebUI once and forks its workers, which stay in its control group.'],
    sections: [
      {
        name: 'Unit',
        lines: [
          { key: 'Description', value: 'Open WebUI: the preload process' },
          { key: 'PartOf', value: UNITS.target },
          { key: 'Wants', value: 'network-online.target' },
          {
            key: 'After',
            value: 'network-online.target postgresql.service redis-server.service valkey-server.service',
          },
          { key: 'StartLimitIntervalSec', value: '600' },
          { key: 'StartLimitBurst', value: '10' },
        ],
      },
      {
        name: 'Service',
        lines: [
          { key: 'Type', value: 'notify' },
          { key: 'NotifyAccess', value: 'main' },
          ...commonLines(user, places, `${places.runtime}/${RUNTIME_FILES.preload}`, places.python),
          { key: 'TimeoutStartSec', value: String(START_TIMEOUT) },
          { key: 'TimeoutStopSec', value: String(PRELOAD_STOP_TIMEOUT) },
          {
            key: 'KillMode',
            value: 'process',
            comment: 'The workers that it has forked outlive it: they have supervisors of their own.',
          },
          { key: 'RestartSec', value: '1' },
          { key: 'RuntimeDirectory', value: RUN },
          { key: 'RuntimeDirectoryMode', value: '0700' },
          { key: 'RuntimeDirectoryPreserve', value: 'yes' },
          { key: 'CacheDirectory', value: RUN },
          { key: 'CacheDirectoryMode', value: '0700' },
          {
            key: 'MemoryMax',
            value: String(most),
            comment: `The plan may use ${formatBytes(most)}, and needs ${formatBytes(memory.predicted)} after the first requests.`,
          },
          { key: 'OOMPolicy', value: 'continue' },
          { key: 'LimitNOFILE', value: '65536' },
          ...environmentOf(plan, APPS.preload),
          ...hardening({
            writes: [places.dataDir],
            reads: [places.python, places.runtime, ...(places.envFile === undefined ? [] : [places.envFile])],
            port: plan.port,
            isOutlived: true,
          }),
        ],
      },
    ],
  };
}

function workerUnit(plan: Plan, { node, user }: SystemdOptions): Unit {
  const { places } = plan;
  return {
    name: UNITS.worker,
    about: [...HEADER, 'Each instance supervises one worker.'],
    sections: [
      {
        name: 'Unit',
        lines: [
          { key: 'Description', value: 'Open WebUI: worker %i' },
          { key: 'PartOf', value: UNITS.target },
          { key: 'Wants', value: UNITS.preload },
          { key: 'After', value: UNITS.preload },
          { key: 'StartLimitIntervalSec', value: '0' },
        ],
      },
      {
        name: 'Service',
        lines: [
          { key: 'Type', value: 'notify' },
          { key: 'NotifyAccess', value: 'all', comment: 'It notifies through a child, systemd-notify.' },
          ...commonLines(user, places, `${places.runtime}/${RUNTIME_FILES.worker}`, node),
          {
            key: 'ExecReload',
            value: '/bin/kill -HUP $MAINPID',
            comment: 'The new worker is ready before the old one drains.',
          },
          { key: 'TimeoutStartSec', value: String(START_TIMEOUT) },
          { key: 'TimeoutStopSec', value: String(plan.drainSeconds + STOP_MARGIN) },
          { key: 'WatchdogSec', value: String(WATCHDOG) },
          { key: 'RestartSec', value: '100ms' },
          {
            key: 'MemoryMax',
            value: String(128 * MIB),
            comment: 'For the supervisor alone: 49 MiB measured.',
          },
          { key: 'Environment', value: 'NODE_APP_INSTANCE=%i', comment: 'The worker’s name in the log.' },
          ...environmentOf(plan, APPS.cluster),
          ...hardening({ writes: [], reads: [places.runtime, node, places.dataDir] }),
        ],
      },
    ],
  };
}

function metricsUnit(plan: Plan, port: number, { node, user }: SystemdOptions): Unit {
  const { places } = plan;
  return {
    name: UNITS.metrics,
    about: [...HEADER, `Serves metrics for Prometheus: http://127.0.0.1:${port}/metrics`],
    sections: [
      {
        name: 'Unit',
        lines: [
          { key: 'Description', value: 'Open WebUI: metrics' },
          { key: 'PartOf', value: UNITS.target },
          { key: 'After', value: UNITS.preload },
        ],
      },
      {
        name: 'Service',
        lines: [
          { key: 'Type', value: 'exec' },
          ...commonLines(user, places, `${places.runtime}/${RUNTIME_FILES.metrics}`, node),
          { key: 'RestartSec', value: '1' },
          { key: 'MemoryMax', value: String(128 * MIB) },
          ...environmentOf(plan, APPS.metrics),
          ...hardening({ writes: [], reads: [places.runtime, node, places.dataDir], port }),
        ],
      },
    ],
  };
}

/** The environment that PM2 would give the app of that name. */
function environmentOf(plan: Plan, name: string): Line[] {
  const environment = appsOf(plan).find((app) => app.name === name)?.env as Readonly<Record<string, string>>;
  return Object.entries(environment).map(([variable, value]) => environmentLine(variable, value));
}

/** User, program and restarts. */
function commonLines(user: string, places: Places, script: string, program: string): Line[] {
  return [
    { key: 'User', value: user },
    { key: 'WorkingDirectory', value: places.dataDir.replaceAll('%', '%%') },
    { key: 'ExecStart', value: `${commandWord(program)} ${commandWord(script)}` },
    { key: 'Restart', value: 'always' },
    {
      key: 'RestartPreventExitStatus',
      value: String(EXIT_CANNOT_BOOT),
      comment: 'It cannot boot, and another attempt would not help; the journal has the reason.',
    },
  ];
}
