import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pastThisMachine } from '../../../src/commands/ecosystem.ts';
import { PlanSchema } from '../../../src/plan/schema.ts';
import { printed } from '../../kit/printed.ts';
import { temporaryFolder } from '../../kit/temporary.ts';

const FIXTURES = join(import.meta.dirname, '../../fixtures', 'machine');

describe('--json', () => {
  it('has the plan on stdout, and nothing else anywhere', async () => {
    const { out, err } = await printed({ root: join(FIXTURES, 'laptop-hyper-threads'), json: true });
    const plan = PlanSchema.parse(JSON.parse(out));
    expect(plan).toMatchObject({
      workers: 4,
      limitedBy: 'cores',
      bounds: { database: null, services: null, user: null },
    });
    expect(plan.memory.budget).toBeGreaterThan(0);
    expect(err).toBe('');
  });
});

describe('--explain', () => {
  it('prints on stdout', async () => {
    const { out } = await printed({ root: join(FIXTURES, 'laptop-hyper-threads'), explain: 'memory.budget' });
    expect(out).toMatch(/^memory\.budget = .*\n {2}.*reserve\n {2}source: computed\n$/);
  });

  it('refuses a key that the plan does not have', async () => {
    const asked = printed({ root: join(FIXTURES, 'laptop-hyper-threads'), explain: 'nothing' });
    await expect(asked).rejects.toThrow('the plan has no such key');
  });
});

describe('a range of workers', () => {
  it.each([['helm'], ['compose']] as const)('is not for %s, by the flag and by a preset', async (format) => {
    const root = join(FIXTURES, 'laptop-hyper-threads');
    const asked = { root, format, host: 'h', storageClass: 'c' };
    const { storageClass: _, ...forCompose } = asked;
    const options = format === 'helm' ? asked : forCompose;
    for (const more of [{ workers: '1..4' }, { preset: 'shared' }]) {
      await expect(printed({ ...options, ...more })).rejects.toThrow('only under PM2 and systemd');
    }
  });
});

describe('--format', () => {
  it('may not contradict --out', async () => {
    const out = join(temporaryFolder(), 'ecosystem.config.js');
    await expect(printed({ out, format: 'cjs' })).rejects.toThrow('--format cjs does not go with --out');
  });

  it.each([
    { replicas: 2 },
    { workersPerPod: 2 },
    { storageClass: 'nfs' },
    { toolsImage: 'registry.example.com/tools:1' },
    { graceSeconds: 60 },
  ])('has options for Helm alone: %j', async (options) => {
    await expect(printed(options)).rejects.toThrow(/^--[a-z-]+ is for --format helm$/);
  });
});

describe('the way past one machine', () => {
  it.each(['cores', 'memory'] as const)('is one line where its %s are the bound', (limitedBy) =>
    expect(pastThisMachine({ limitedBy, workers: 4 })).toEqual([
      `this machine’s ${limitedBy} limit it to 4 workers; beyond one machine: webui-tune --format helm ` +
        '--replicas N --storage-class C --host H',
    ]),
  );

  it.each(['database', 'services', 'user'] as const)('is not the answer to %s', (limitedBy) =>
    expect(pastThisMachine({ limitedBy, workers: 4 })).toEqual([]),
  );
});
