import { MIB } from '../../base/units.ts';
import type { ContainerSetting } from '../../plan/containers.ts';
import { MEASURED } from '../../plan/measured-capacity.ts';
import type { Plan } from '../../plan/types.ts';
import { IMAGE_PORT, OPEN_WEBUI_IMAGE } from '../image.ts';
import type { YamlValue } from '../yaml.ts';
import { DATABASE, SECRETS } from './services.ts';

/** Seconds between the end of the drain time and Docker's kill. */
const STOP_MARGIN = 20;

/** A boot on a busy machine may take this many times as long as measured. */
const BOOT_FACTOR = 6;

/** A secret: the file that holds it, and the variable that the container's shell sets from it. */
export interface ContainerSecret {
  file: string;
  variable: string;
  /** Text around the file's content. */
  before?: string;
  after?: string;
}

/** What both forms have in common. */
export interface Container {
  environment: Record<string, YamlValue>;
  secrets: readonly ContainerSecret[];
}

/** Open WebUI's secret settings, each from a file; DATABASE_URL is built around a password. */
export function containerSecrets(settings: readonly ContainerSetting[]): ContainerSecret[] {
  const theirs = settings.filter(({ key, value }) => value === undefined && key !== 'WEBUI_SECRET_KEY');
  return [
    { file: SECRETS.key, variable: 'WEBUI_SECRET_KEY' },
    {
      file: SECRETS.postgres,
      variable: 'DATABASE_URL',
      before: `postgresql://${DATABASE}:`,
      after: `@postgres:5432/${DATABASE}`,
    },
    ...theirs.map(({ key }) => ({ file: key.toLowerCase().replaceAll('_', '-'), variable: key })),
  ];
}

/** Settings that are not secret. Dollars are escaped, because Compose would expand variables. */
export function containerEnvironment(settings: readonly ContainerSetting[]): Record<string, YamlValue> {
  const own = { DATA_DIR: '/app/backend/data', REDIS_URL: 'redis://valkey:6379/0' };
  const theirs = settings.flatMap(({ key, value }) =>
    value === undefined ? [] : [[key, escapeDollars(value)]],
  );
  return { ...Object.fromEntries(theirs), ...own };
}

export function escapeDollars(text: string): string {
  return text.replaceAll('$', '$$$$');
}

/** A shell that reads the secrets from their files into its environment, then becomes the program. */
export function withSecrets(secrets: readonly ContainerSecret[], program: string): string[] {
  const lines = secrets.map(
    ({ variable, file, before = '', after = '' }) =>
      `export ${variable}="${before}$$(cat /run/secrets/${file})${after}"`,
  );
  return ['bash', '-ec', `${[...lines, program].join('\n')}\n`];
}

interface Rest extends Container {
  command: string[];
  /** Bytes. */
  memory: number;
  /** Imports of Open WebUI, one after another, until it serves. */
  imports: number;
  after: Record<string, YamlValue>;
  more?: Record<string, YamlValue>;
  volumes?: readonly string[];
}

/** The container that serves, in either form. */
export function openWebui(
  plan: Plan,
  { command, environment, secrets, memory, imports, after, more, volumes = [] }: Rest,
) {
  const start = imports * BOOT_FACTOR * MEASURED.bootSeconds;
  return {
    image: `${OPEN_WEBUI_IMAGE.repository}:${OPEN_WEBUI_IMAGE.tag}`,
    init: true,
    command,
    environment,
    secrets: secrets.map(({ file }) => file),
    volumes: ['data:/app/backend/data', ...volumes],
    ports: [
      `${plan.host.includes(':') ? `[${plan.host.replace(/[[\]]/g, '')}]` : plan.host}:${plan.port}:${IMAGE_PORT}`,
    ],
    mem_limit: megabytes(memory),
    healthcheck: {
      test: [
        'CMD',
        'curl',
        '--silent',
        '--fail',
        '--output',
        '/dev/null',
        `http://127.0.0.1:${IMAGE_PORT}/ready`,
      ],
      interval: '10s',
      timeout: '5s',
      retries: 6,
      start_period: `${start}s`,
    },
    depends_on: {
      postgres: { condition: 'service_healthy' },
      valkey: { condition: 'service_healthy' },
      ...after,
    },
    stop_grace_period: `${plan.drainSeconds + STOP_MARGIN}s`,
    restart: 'unless-stopped',
    ...more,
  };
}

/** Bytes as Compose writes them, rounded up to multiples of 64 MiB. */
export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / MIB / 64) * 64}m`;
}
