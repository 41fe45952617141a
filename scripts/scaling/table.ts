import { MEASURED } from '../../src/plan/measured-capacity.ts';
import { ASSUMPTIONS, type Assumptions, breakingPoints, type Capacity, type Load } from './capacity.ts';

/** How to raise the limit of each part. */
const REMEDIES: Readonly<Record<string, string>> = {
  connections: 'a pooler (PgBouncer, session mode) in front of PostgreSQL, or a larger max_connections',
  'Redis clients': 'a larger maxclients, which is one setting',
  PostgreSQL: 'a larger server; Open WebUI writes to one primary only',
  Redis: 'a faster core: Redis has one thread, and socket.io has one channel',
  'Redis network': 'a larger CHAT_RESPONSE_STREAM_DELTA_CHUNK_SIZE, which makes fewer events',
  workers: 'fewer events: here each worker is only busy with the events of the others',
  network: 'more servers behind a load balancer',
};

/** What an installation needs, as plain text. */
export function renderCapacity(capacity: Capacity): string {
  const { users, installations, online, messages, requests, loads } = capacity;
  const each =
    installations > 1
      ? `${count(installations)} installations of ${count(users)} users, each:`
      : `${count(users)} users:`;
  return [
    each,
    `  ${count(online)} have a page open; each second they ask ${figure(messages)} questions and make ${figure(requests)} calls`,
    '',
    ...table(loads.map((load) => [load.part, amount(load), percentOf(load), load.reason])),
    '',
  ].join('\n');
}

/** The limits of one installation and the assumptions behind all figures, as plain text. */
export function renderLimits(assumed: Assumptions = ASSUMPTIONS): string {
  const points = breakingPoints(assumed).map(({ part, users }) => [
    part,
    `${count(users)} users`,
    REMEDIES[part] ?? '',
  ]);
  return [
    'the most users that each part of one installation can bear, and what raises that limit:',
    ...table(points),
    '',
    'assumed (none of this was measured):',
    `  ${Math.round(assumed.online * 100)} % of the users are online in the busiest hour; each asks ${assumed.messages} questions and opens the page ` +
      `${assumed.opens} times in it;`,
    `  the page makes ${assumed.calls} calls per question; every part is at most ${Math.round(assumed.utilisation * 100)} % full;`,
    `  PostgreSQL ${count(assumed.postgresTransactions)} transactions/s and ${count(assumed.postgresConnections)} connections, ` +
      `Redis ${count(assumed.redisCommands)} commands/s and ${count(assumed.redisClients)} clients,`,
    `  a network of ${count(assumed.networkBits / 1e9)} Gbit/s; answers of ${MEASURED.chatTokens} tokens; no documents, no images, no models on these machines`,
    '',
  ].join('\n');
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  );
}

function amount({ need, unit }: Load): string {
  if (unit.startsWith('bytes'))
    return `${scaled(need, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'])}${unit.slice('bytes'.length)}`;
  if (unit === 'bits/s') return scaled(need, 1000, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']);
  const whole = Math.ceil(need);
  return `${count(whole)} ${whole === 1 ? unit.replace(/s$/, '') : unit}`;
}

function scaled(value: number, step: number, units: readonly string[]): string {
  const power = Math.min(
    units.length - 1,
    Math.max(0, Math.floor(Math.log(Math.max(1, value)) / Math.log(step))),
  );
  return `${figure(value / step ** power)} ${units[power]}`;
}

function percentOf({ need, limit }: Load): string {
  return limit === undefined ? '' : `${Math.ceil((need / limit) * 100)} % of one`;
}

/** At least two significant digits. */
function figure(value: number): string {
  return value >= 10 ? count(Math.round(value)) : String(Number(value.toPrecision(2)));
}

function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}
