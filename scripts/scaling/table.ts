import { MEASURED } from '../../src/plan/measured-capacity.ts';
import { ASSUMPTIONS, type Assumptions, breakingPoints, type Capacity, type Load } from './capacity.ts';

/** What to change where a part is the first to break. */
const REMEDIES: Readonly<Record<string, string>> = {
  connections: 'a pooler (PgBouncer, session mode) in front of PostgreSQL, or a larger max_connections',
  'Redis clients': 'maxclients; it is one setting',
  PostgreSQL: 'a larger server; Open WebUI writes to one primary only',
  Redis: 'a faster core: it has one thread, and socket.io’s channel is one',
  'Redis network': 'larger CHAT_RESPONSE_STREAM_DELTA_CHUNK_SIZE: fewer events',
  workers: 'the same: at this point each worker is busy with the events of all the others',
  network: 'more servers behind a balancer',
};

/** The answer of `webui-tune capacity`, as plain text. */
export function renderCapacity(capacity: Capacity, assumed: Assumptions = ASSUMPTIONS): string {
  const { users, installations, online, messages, requests, loads } = capacity;
  const each =
    installations > 1
      ? `${count(installations)} installations of ${count(users)} users, each:`
      : `${count(users)} users:`;
  const rows = loads.map((load) => [load.part, amount(load), percentOf(load), load.reason]);
  const points = breakingPoints(assumed).map(({ part, users: most }) => [
    part,
    `${count(most)} users`,
    REMEDIES[part] ?? '',
  ]);
  return [
    each,
    `  ${count(online)} have a page open, ask ${figure(messages)} questions and make ${figure(requests)} calls a second`,
    '',
    ...table(rows),
    '',
    'where one installation breaks first, and what moves it:',
    ...table(points),
    '',
    'assumed (none of it measured):',
    `  ${Math.round(assumed.online * 100)} % online in the busiest hour, ${assumed.messages} questions and ${assumed.opens} page visits each in it, ` +
      `${assumed.calls} calls a question,`,
    `  everything ${Math.round(assumed.utilisation * 100)} % full at most; PostgreSQL ${count(assumed.postgresTransactions)} transactions/s and ` +
      `${count(assumed.postgresConnections)} connections,`,
    `  Redis ${count(assumed.redisCommands)} commands/s and ${count(assumed.redisClients)} clients, a network of ${count(assumed.networkBits / 1e9)} Gbit/s;`,
    `  answers of ${MEASURED.chatTokens} tokens; no documents, no images, no models on these machines`,
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
  return `${count(Math.ceil(need))} ${unit}`;
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

/** Two digits that mean something. */
function figure(value: number): string {
  return value >= 10 ? count(Math.round(value)) : String(Number(value.toPrecision(2)));
}

function count(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}
