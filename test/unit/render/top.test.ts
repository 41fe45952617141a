import { describe, expect, it } from 'vitest';
import { MIB } from '../../../src/base/units.ts';
import { plainText, renderTop } from '../../../src/render/top.ts';
import { compare } from '../../../src/runtime/watch/compare.ts';
import {
  instanceOf,
  NOW,
  recordOf,
  SCALE,
  sampleOf,
  usageOf,
  uvicornSample,
  workerOf,
} from '../../kit/samples.ts';

const before = sampleOf({
  at: NOW - 2_000,
  workers: [
    workerOf('0', 200, { usage: usageOf(200, { cpuSeconds: 9.4 }) }),
    workerOf('1', 201, { usage: usageOf(201, { cpuSeconds: 9.9 }) }),
  ].map((worker) => ({
    ...worker,
    stats: {
      heardAt: NOW - 2_000,
      requests: 975,
      active: 0,
      sockets: 0,
      generating: 0,
      lag: 3,
      tokens: 5_800,
    },
  })),
});

const crash = {
  at: NOW - 125_000,
  cause: 'crash',
  detail: 'killed by SIGKILL',
  from: 7,
  to: 200,
  gap: 415,
} as const;
const busy = compare(
  [before],
  sampleOf({
    workers: [
      workerOf('0', 199, { state: 'draining', generation: 'older' }),
      workerOf('0', 200),
      workerOf('1', 201, {
        usage: usageOf(201, {
          memory: { private: 980 * MIB, shared: 280 * MIB, pss: 1_060 * MIB, rss: 1_260 * MIB },
        }),
        stats: {
          heardAt: NOW,
          requests: 1_000,
          active: 1,
          sockets: 4,
          generating: 2,
          lag: 1_240,
          tokens: 6_000,
        },
      }),
    ],
    documents: { processes: [usageOf(300), usageOf(301)], waiting: 3 },
    instances: [
      instanceOf('0', { record: recordOf({ restarts: { crash: 1 }, recent: [crash] }) }),
      instanceOf('1'),
    ],
  }),
);

const textAt = (width: number, height?: number, report = busy) =>
  renderTop(report, width, height).map(plainText);

describe('renderTop', () => {
  it.each([80, 120, 160])('has not changed by accident, %i columns wide', (width) =>
    expect(`${textAt(width).join('\n')}\n`.replace(/\d\d:\d\d:\d\d/, 'HH:MM:SS')).toMatchFileSnapshot(
      `../../fixtures/top-${width}.txt`,
    ),
  );

  it('fits any width', () => {
    for (let width = 20; width <= 200; width++) {
      for (const line of textAt(width)) expect(line.length, `${width}: ${line}`).toBeLessThanOrEqual(width);
    }
  });

  it('keeps number, state, private memory and CPU at 40 columns', () => {
    const heading = textAt(40).find((line) => /^ *#/.test(line));
    expect(heading?.trim().split(/\s{2,}/)).toEqual(expect.arrayContaining(['#', 'state', 'private', 'CPU']));
  });

  it('fits any height, and says what it leaves out', () => {
    for (let height = 3; height <= 30; height++) {
      const lines = textAt(120, height);
      expect(lines.length).toBeLessThanOrEqual(height);
    }
    expect(textAt(120, 5).at(-1)).toMatch(/^… and \d+ lines more$/);
  });

  it('marks what somebody has to look at', () => {
    const toned = renderTop(busy, 160).flat();
    const toneOf = (text: string) => toned.find((piece) => piece.text.trim() === text)?.tone;
    expect(toneOf('serving')).toBe('good');
    expect(toneOf('draining')).toBe('doubtful');
    expect(toneOf('96% 1.0G')).toBe('bad');
    expect(toneOf('7% 1.0G')).toBeUndefined();
    expect(toneOf('1240 ms')).toBe('bad');
    expect(toneOf('13 ms')).toBeUndefined();
    expect(toneOf('crash')).toBe('bad');
  });

  it('says why an instance has no worker', () => {
    const workers = [workerOf('0', 200), { instance: '1', state: 'down' as const }];
    const down = { at: NOW - 12_000, cause: 'crash', detail: 'exit code 1' } as const;
    const record = recordOf({ failedStarts: 2, lastFailure: { at: NOW - 3_000, detail: 'exit code 3' } });
    const instances = [instanceOf('0'), instanceOf('1', { down, record })];
    expect(textAt(120, undefined, compare([], sampleOf({ workers, instances })))).toContain(
      '#1 does not serve for 12 s: crash, exit code 1; 2 starts failed, the last with exit code 3',
    );
  });

  it('says within which range workers come and go, and why their number last changed', () => {
    const line = (scale: typeof SCALE) =>
      textAt(200, undefined, compare([], sampleOf({ scale }))).find((text) =>
        text.startsWith('workers come'),
      );
    expect(line(SCALE)).toBe(
      'workers come and go: 1 to 4; 3 min ago 2 → 3: event loops are busy 64 % of the time',
    );
    expect(line({ ...SCALE, changes: [], holding: 'a reload is under way' })).toBe(
      'workers come and go: 1 to 4; now held: a reload is under way',
    );
    expect(textAt(200).join()).not.toContain('come and go');
  });

  it('says so where the preload process does not run', () => {
    const { parent: _, ...rest } = sampleOf();
    expect(textAt(120, undefined, compare([], rest)).join('\n')).toContain(
      'the preload process does not run',
    );
  });

  it('shows of uvicorn’s workers what is known, and dashes', () => {
    const lines = textAt(120, undefined, compare([], uvicornSample()));
    expect(lines[0]).toContain('uvicorn’s own workers');
    expect(lines.find((line) => line.startsWith('0'))).toMatch(/running\s+67M\s+280M\s+150M\s+–\s+–/);
    expect(lines.join('\n')).toContain('their parent 100');
  });

  it('does not let a terminal obey what a process says', () => {
    const workers = [workerOf('0', 200, { generation: 'a\x1b[2J' })];
    const report = compare([], sampleOf({ workers, generations: ['a\x1b[2J'] }));
    expect(textAt(200, undefined, report).join('')).not.toContain('\x1b');
  });
});
