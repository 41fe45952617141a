import { describe, expect, it } from 'vitest';
import { contendersFor } from '../src/bench/contest/contenders.ts';
import { FIGURE_IDS, FIGURES } from '../src/bench/contest/figures.ts';
import { findKnee } from '../src/bench/contest/knee.ts';
import { untuned } from '../src/bench/contest/ours.ts';
import { chooseContenders, merge } from '../src/bench/contest/run.ts';
import { type BenchReport, BenchSchema, type ContenderReport } from '../src/bench/contest/schema.ts';
import { untilReloaded } from '../src/bench/contest/server.ts';
import { formatNumber, percentile, summarize } from '../src/bench/contest/statistics.ts';
import { CLAIMS, judge } from '../src/bench/contest/targets.ts';
import { apiCalls, chatCalls, readRecording } from '../src/bench/contest/visits.ts';
import { renderBenchHtml } from '../src/bench/report/html/index.ts';
import { renderBench } from '../src/bench/report/index.ts';
import type { Plan } from '../src/plan/types.ts';

const HOSTILE = `</title></svg><script>alert("1")</script><img src=x onerror='a'>&\u2028`;

function contender(id: string, figures: ContenderReport['figures'], more = {}): ContenderReport {
  return { id, name: id, how: `how ${id}`, workers: 2, memoryOnly: false, figures, notes: [], ...more };
}

const theirs = contender('web-concurrency', {
  visitsPerSecond: [3, 2, 4],
  apiPerSecond: [100, 90, 110],
  apiP99Ms: [200],
  recoverSeconds: [14],
  reloadLost: [700],
});
const ours = contender('ours', {
  visitsPerSecond: [21],
  visitCpuMs: [100, 151],
  apiPerSecond: [125],
  apiP99Ms: [201],
  recoverSeconds: [0.5],
  reloadLost: [0],
});

function report(change: Partial<BenchReport> = {}): BenchReport {
  const contenders = change.contenders ?? [theirs, ours];
  return {
    version: '0.1.0',
    taken: '2026-01-02T03:04:05.000Z',
    minutes: 12.5,
    machine: {
      cpu: 'A CPU',
      cores: 2,
      memoryBytes: 8 * 2 ** 30,
      kernel: '6.1',
      node: 'v20',
      python: '3.11.7',
      openWebui: '0.12.4',
      services: 'PostgreSQL 15',
      busyAtStart: 0.2,
    },
    options: { workers: 2, rounds: 2, seconds: 3, connections: 12 },
    contenders,
    targets: judge(contenders),
    ...change,
  };
}

describe('statistics', () => {
  it('takes minimum, median and maximum', () => {
    expect(summarize([3, 1, 2])).toEqual({ min: 1, median: 2, max: 3 });
    expect(summarize([4, 1, 2, 3])).toEqual({ min: 1, median: 2.5, max: 4 });
    expect(() => summarize([])).toThrow('without a sample');
  });

  it('takes the sample that a share of all does not exceed', () => {
    const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(percentile(hundred, 0.99)).toBe(99);
    expect(percentile(hundred, 0.5)).toBe(50);
    expect(percentile([7], 0.999)).toBe(7);
    expect(() => percentile([], 0.5)).toThrow('without a sample');
  });

  it.each([
    [0, '0'],
    [0.4321, '0.43'],
    [18.44, '18.4'],
    [730, '730'],
    [2619.4, '2,619'],
  ])('writes %d as %s', (value, text) => expect(formatNumber(value)).toBe(text));
});

describe('claims', () => {
  const verdicts = Object.fromEntries(judge([theirs, ours]).map(({ what, verdict }) => [what, verdict]));

  it('compares medians', () => {
    expect(verdicts).toMatchObject({
      'first visits a second': 'holds',
      'API requests a second': 'holds',
      'recovery: times as quick': 'holds',
    });
  });

  it('does not round a miss away', () => expect(verdicts['p99 of API requests']).toBe('misses'));

  it('holds a figure of its own to the worst sample', () =>
    expect(verdicts['worker CPU of a first visit']).toBe('misses'));

  it('says what was not measured', () => {
    expect(verdicts['memory, four workers, lean preload']).toBe('not measured');
    expect(judge([]).every(({ verdict, value }) => verdict === 'not measured' && value === undefined)).toBe(
      true,
    );
  });

  it('counts a single lost request', () => {
    const [lost] = judge([{ ...ours, figures: { reloadLost: [0, 1] } }]).slice(-1);
    expect(lost).toMatchObject({ value: 1, verdict: 'misses' });
  });

  it('names only contenders that there are', () => {
    const ids = contendersFor(2).map(({ id }) => id);
    for (const { of, beside } of CLAIMS) expect(ids).toEqual(expect.arrayContaining([of, beside ?? of]));
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('the knee', () => {
  const step = (workers: number, perSecond: number) => ({
    workers,
    perSecond: [perSecond - 1, perSecond, perSecond + 1],
    p99Ms: [100],
    memoryMib: 300 + 70 * workers,
  });

  it('is the fewest workers that are near the best', () => {
    const { workers, reason } = findKnee([step(1, 90), step(2, 180), step(3, 186), step(4, 181)]);
    expect(workers).toBe(2);
    expect(reason).toContain('from 1 to 2: +100 %; from 2 to 3: +3 % for 70 MiB');
  });

  it('is the last one where it only rises', () => {
    const { workers, reason } = findKnee([step(1, 90), step(2, 180), step(3, 270)]);
    expect(workers).toBe(3);
    expect(reason).toContain('more were not tried');
  });

  it('is the first one where more make it worse', () => {
    const { workers, reason } = findKnee([step(1, 90), step(2, 80)]);
    expect(workers).toBe(1);
    expect(reason).toContain('from 1 to 2: −11 %');
  });
});

describe('contenders', () => {
  it('are chosen by id, in the order of the report', () => {
    const chosen = chooseContenders(contendersFor(2), ['ours', 'serve']);
    expect(chosen.map(({ id }) => id)).toEqual(['serve', 'ours']);
  });

  it('have to be known', () => {
    expect(() => chooseContenders(contendersFor(2), ['apache'])).toThrow('there is no contender "apache"');
  });

  it('keep the samples of all lives, and the failure of one', () => {
    const [one] = contendersFor(2);
    if (!one) throw new Error('there is no contender');
    const merged = merge(one, [
      { figures: { apiPerSecond: [1], memoryMib: [5] }, notes: ['slow'] },
      { figures: { apiPerSecond: [2] }, notes: ['slow'], failure: 'it broke' },
    ]);
    expect(merged).toMatchObject({
      figures: { apiPerSecond: [1, 2], memoryMib: [5] },
      notes: ['slow'],
      failure: 'it broke',
    });
  });

  it('of ours without tuned settings have what several workers need, and what the user set', () => {
    const setting = (key: string, source: string) => ({
      key,
      value: '1',
      source,
      secret: false,
      reason: '',
      rendered: true,
    });
    const settings = [
      setting('THREAD_POOL_SIZE', 'computed'),
      setting('WEBSOCKET_MANAGER', 'computed'),
      setting('DATABASE_URL', 'env file'),
    ];
    const keys = untuned({ settings } as unknown as Plan).settings.map(({ key }) => key);
    expect(keys).toEqual(['WEBSOCKET_MANAGER', 'DATABASE_URL']);
  });

  it('may give a reload up: all former workers are still there', async () => {
    const process = (pid: number) => ({ pid, ppid: 1, name: 'python', startTime: '1' });
    const former = [process(1), process(2)];
    let asked = 0;
    const server = {
      url: '',
      port: 1,
      // The first attempt comes and goes.
      begun: 0,
      workers: () => (asked++ < 3 ? [...former, process(3)] : former),
      processes: () => [],
      reload: { how: '', run: async () => {} },
      restart: { how: '', run: async () => {} },
      isSupervised: true,
      logTail: () => '',
    };
    await expect(untilReloaded(server, former, 10_000)).resolves.toBe(0);
  });
});

describe('the recording', () => {
  const recording = readRecording();

  it('is asked as somebody else', () => {
    const calls = apiCalls(recording, 'the-user');
    expect(calls.length).toBeGreaterThan(10);
    expect(calls.some(({ path }) => path.includes('/users/the-user/'))).toBe(true);
  });

  it('asks around a question, and not the question', () => {
    const calls = chatCalls(recording, 'the-chat');
    expect(calls.some(({ path }) => path === '/api/v1/chats/the-chat')).toBe(true);
    expect(calls.every(({ method }) => method === 'GET')).toBe(true);
  });
});

describe('JSON', () => {
  it('is what its schema says', () => {
    expect(BenchSchema.parse(JSON.parse(JSON.stringify(report())))).toEqual(report());
  });

  it('knows no other figure', () => {
    const unknown = report({ contenders: [contender('x', { speed: [1] } as never)], targets: [] });
    expect(BenchSchema.safeParse(unknown).success).toBe(false);
  });
});

describe('the table', () => {
  it('has medians, claims and notes', () => {
    const failed = contender('gunicorn', {}, { failure: 'it does not start\nlog', notes: ['a note'] });
    const lines = renderBench(report({ contenders: [theirs, failed, ours] }));
    const text = lines.map((line) => line.text).join('\n');
    expect(text).toMatch(/web-concurrency +3 +– +100/);
    expect(text).toContain('gunicorn: not measured any further: it does not start');
    expect(lines.find(({ text }) => text.startsWith('p99 of API'))?.kind).toBe('misses');
  });

  it('keeps apart what is there for its memory alone, also where that failed', () => {
    const alone = contender('ours-4', {}, { memoryOnly: true, failure: 'it does not start' });
    const lines = renderBench(report({ contenders: [ours, alone] })).map((line) => line.text);
    const headOf = (name: string) =>
      lines
        .slice(
          0,
          lines.findIndex((line) => line.startsWith(`${name} `)),
        )
        .findLast((line) => /MiB/.test(line));
    expect(headOf('ours')).toContain('visits/s');
    expect(headOf('ours-4')).toMatch(/^memory alone/);
  });

  it('has all samples on demand', () => {
    const text = renderBench(report(), true)
      .map((line) => line.text)
      .join('\n');
    expect(text).toContain(FIGURES.apiPerSecond.about);
    expect(text).toMatch(/web-concurrency +2 +90 +100 +110 +3/);
  });
});

describe('the page', () => {
  const all = Object.fromEntries(FIGURE_IDS.map((figure) => [figure, [1, 2, 3]]));
  const steps = [1, 2].map((workers) => ({
    workers,
    perSecond: [90 * workers],
    p99Ms: [10],
    memoryMib: 300,
  }));
  const page = renderBenchHtml(
    report({
      contenders: [
        contender('ours', all, { name: HOSTILE, how: HOSTILE, notes: [HOSTILE] }),
        contender('ours-4', { memoryMib: [100] }, { name: HOSTILE, memoryOnly: true }),
        contender('serve', {}, { name: HOSTILE, failure: HOSTILE }),
      ],
      machine: { ...report().machine, cpu: HOSTILE, services: HOSTILE, kernel: HOSTILE, openWebui: HOSTILE },
      sweep: { steps, proposal: { workers: 2, reason: HOSTILE } },
    }),
  );

  it('shows text as text', () => {
    expect(page).not.toMatch(/<script|<img|onerror='/i);
    expect(page).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;');
  });

  it('has a chart for each figure, in two widths', () => {
    // Eight figures beside each other; memory once more alone, where the start is missing; and the curve.
    expect(page.match(/<svg /g)).toHaveLength(2 * 10);
  });

  it('asks the network for nothing, and may not', () => {
    const tags = page.match(/<[a-z][^>]*>/g) ?? [];
    // Names of attributes, and where a style points to; not what is said in one.
    const links = tags.flatMap(
      (tag) =>
        tag
          .replace(/="[^"]*"/g, (value) => (value.includes('url(') ? value : '='))
          .match(/\b(?:src|href|srcset|data)=|url\([^)]*\)/g) ?? [],
    );
    expect(links.filter((link) => !link.startsWith('url(#') && link !== 'href=')).toEqual([]);
    expect([...page.matchAll(/ href="([^"]*)"/g)].map(([, link]) => link)).toEqual(['#notes']);
    expect(page.slice(page.indexOf('<style>'), page.indexOf('</style>'))).not.toMatch(/url\(|@import/);
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
  });

  it('follows the theme of whoever reads it', () => {
    expect(page).toContain('prefers-color-scheme: dark');
    // Charts have the page's colours, and none of their own.
    const painted = page.slice(page.indexOf('</style>')).replace(/<clipPath.*?<\/clipPath>/gs, '');
    expect(painted.match(/(?:fill|stroke)="(?:#|rgb)[^"]*"/g)).toBeNull();
  });
});
