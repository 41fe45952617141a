import { type Cost, MEASURED } from '../../src/plan/measured-capacity.ts';
import { ASSUMPTIONS, type Assumptions, breakingPoints, type Capacity, type Load } from './capacity.ts';

/** How to raise the limit of each part. */
const REMEDIES: Readonly<Record<string, string>> = {
  connections: 'a pooler (PgBouncer, session mode) in front of PostgreSQL, or a larger max_connections',
  'Redis clients': 'a larger maxclients, which is one setting',
  PostgreSQL: 'a larger server; Open WebUI writes to one primary only',
  Redis: 'a faster core: Redis has one thread',
  'Redis network': 'a faster network',
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

/** What each thing costs that people do, as plain text. */
export function renderCosts(): string {
  const { request, chat, opening, idleSecond, session } = MEASURED;
  const things: [string, Cost][] = [
    ['an API call', request],
    [`a question, with its answer of ${MEASURED.chatTokens} tokens`, chat],
    ['a page that is opened, shows a chat, and is closed', opening],
    ['a page that is open, for a minute', times(60, idleSecond)],
    ['1,000 sessions that are read', times(1_000, session)],
  ];
  return [
    ...table([
      ['', 'worker CPU', 'PostgreSQL', 'Redis CPU', 'Redis', 'to and from it'],
      ...things.map(([what, cost]) => [
        what,
        `${figure(cost.cpuMs)} ms`,
        `${figure(cost.transactions)} transactions`,
        `${figure(cost.redisCpuMs)} ms`,
        `${figure(cost.redisCommands)} commands`,
        scaled(cost.redisBytes, 1024, ['B', 'KiB', 'MiB']),
      ]),
    ]),
    '',
  ].join('\n');
}

function times(factor: number, cost: Cost): Cost {
  const { cpuMs, transactions, redisCpuMs, redisCommands, redisBytes } = cost;
  return {
    cpuMs: factor * cpuMs,
    transactions: factor * transactions,
    redisCpuMs: factor * redisCpuMs,
    redisCommands: factor * redisCommands,
    redisBytes: factor * redisBytes,
  };
}

/** The limits of one installation and the assumptions behind all figures, as plain text. */
export function renderLimits(assumed: Assumptions = ASSUMPTIONS): string {
  const points = breakingPoints(assumed).map(({ part, users }) => [
    part,
    `${count(users)} users`,
    REMEDIES[part] ?? '',
  ]);
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  return [
    'the most users that each part of one installation can bear, and what raises that limit:',
    ...table(points),
    '',
    `if all sessions were read each time, as with --no-shortcuts: Redis ${count(redisLimit({ ...assumed, shared: 1 }))} users`,
    '',
    'assumed (none of this was measured):',
    `  ${percent(assumed.online)} of the users are online in the busiest hour; each asks ${assumed.messages} questions in new chats`,
    `  and opens the page ${assumed.opens} times in it; the page makes ${assumed.calls} calls per question;`,
    `  ${percent(assumed.shared)} of the chats that are opened are open at another worker too;`,
    `  every part is at most ${percent(assumed.utilisation)} full; ${assumed.workersPerPod} workers in a pod; documents are embedded elsewhere;`,
    `  PostgreSQL ${count(assumed.postgresTransactions)} transactions/s and ${count(assumed.postgresConnections)} connections,`,
    `  Redis one core and ${count(assumed.redisClients)} clients, its network ${count(assumed.networkBits / 1e9)} Gbit/s;`,
    `  answers of ${MEASURED.chatTokens} tokens; no documents, no images, no models on these machines`,
    '',
  ].join('\n');
}

function redisLimit(assumed: Assumptions): number {
  return breakingPoints(assumed).find(({ part }) => part === 'Redis')?.users ?? Number.NaN;
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  );
}

function amount({ need, unit }: Load): string {
  if (unit.startsWith('bytes'))
    return `${scaled(need, 1024, ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'])}${unit.slice('bytes'.length)}`;
  if (unit === 'bits/s') return scaled(need, 1000, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']);
  if (unit === 'cores') return `${figure(need)} of a core`;
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
